"""Keep setup from writing bytecode that would outlive its source.

The interpreter writes a compiled module beside the source and knows it again by
the source's size and its time in whole seconds. A module that is edited twice in
one second, to the same size, is then loaded as it was before the second edit. So
setup writes none for a source that is not older than that.
"""

import os
import sys
import time

# Seconds after which another edit has another time, and one for the file system's own.
_SETTLED = 2

_Loader = sys.modules["_frozen_importlib_external"].SourceFileLoader
_write = _Loader._cache_bytecode


def spare() -> None:
    """Write no bytecode for sources that were changed just now, until restore()."""
    _Loader._cache_bytecode = _write_if_settled


def restore() -> None:
    """Leave it to the interpreter again."""
    _Loader._cache_bytecode = _write


def _write_if_settled(self, source_path: str, bytecode_path: str, data: bytes) -> None:
    try:
        age = time.time() - os.stat(source_path).st_mtime
    except OSError:
        return
    if age > _SETTLED:
        _write(self, source_path, bytecode_path, data)
