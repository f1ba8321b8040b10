"""Keep setup from writing and reading bytecode that has outlived its source.

The interpreter writes a compiled module beside the source and knows it again by
the source's size and its time in whole seconds. A module that is edited twice in
one second, to the same size, is then loaded as it was before the second edit. So
setup writes none for a source that is not older than that, and reads none that was
written so soon after its source was: by the interpreter of a cold request, or of a shell.
"""

import os
import sys
import time

# Seconds after which another edit has another time, and one for the file system's own.
_SETTLED = 2

_Loader = sys.modules["_frozen_importlib_external"].SourceFileLoader
_write = _Loader._cache_bytecode
_read = _Loader.get_data


def spare() -> None:
    """Neither write nor read bytecode of sources that had been changed just then, until restore()."""
    _Loader._cache_bytecode = _write_if_settled
    _Loader.get_data = _read_if_settled


def restore() -> None:
    """Leave it to the interpreter again."""
    _Loader._cache_bytecode = _write
    del _Loader.get_data  # it is inherited


def _write_if_settled(self, source_path: str, bytecode_path: str, data: bytes) -> None:
    try:
        age = time.time() - os.stat(source_path).st_mtime
    except OSError:
        return
    if age > _SETTLED:
        _write(self, source_path, bytecode_path, data)


def _read_if_settled(self, path: str) -> bytes:
    data = _read(self, path)
    # The flags of bytecode that is known by its source's time are zero.
    if path.endswith(".pyc") and not any(data[4:8]):
        written = os.stat(path).st_mtime - os.stat(self.path).st_mtime
        if abs(written) < _SETTLED:
            raise OSError(f"{path} may be of an older source")
    return data
