"""Load modules of Python's own that the script does not see.

A script may have a module of the same name in its own folder, and what the server
loads by its name is seen by executors; so it is loaded from where it is, and
:data:`sys.modules` does not have it.
"""

import os
from _frozen_importlib import BuiltinImporter, module_from_spec
from _frozen_importlib_external import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def load(name: str) -> "ModuleType":
    """Load a module of the standard library. ImportError: this Python has none of that name.

    :param name: one without dots.
    """
    library = os.path.dirname(os.__file__)
    spec = BuiltinImporter.find_spec(name)
    if spec is None:
        spec = PathFinder.find_spec(name, [library + "/lib-dynload", library])
    if spec is None:
        raise ImportError(f"this Python has no module {name}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    spec._initializing = False  # each import asks, and answers itself by an exception if it is not there
    return module
