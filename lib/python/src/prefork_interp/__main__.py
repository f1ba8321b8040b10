"""What the launcher runs: ``python3 [options] .../prefork_interp/__main__.py SCRIPT [argument ...]``."""
# Compiled at every start, because Python keeps no bytecode of a main program:
# so it is short, and all else is in the package. The package is found by its
# place, so that no entry of sys.path leads to it.
import sys
from _frozen_importlib import module_from_spec
from _frozen_importlib_external import spec_from_file_location

folder = __file__.rpartition("/")[0]
spec = spec_from_file_location(
    "prefork_interp", folder + "/__init__.py", submodule_search_locations=[folder]
)
sys.modules["prefork_interp"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["prefork_interp"])

from prefork_interp._launch import main  # noqa: E402

main()
