"""Wait for an executor, with what it has used.

os.wait4 imports the module ``resource`` by its name; so Python's own is lent to
:data:`sys.modules` for the time of the call.
"""

import os
import sys
from posix import wait4

from . import _unseen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_UNKNOWN = 3 * b"\xff" * 8
_resource: "ModuleType | None" = None


def wait(process: int) -> bytes:
    """Wait for a child and return the rest of ``done``: wait status, CPU times, peak memory.

    docs/protocol.md, "Native": what is not known has all bits set.
    """
    try:
        _pid, status, usage = _wait4(process)
    except ChildProcessError:
        return b"\xff" * 4 + _UNKNOWN  # a thread of the script waits for any child
    except ImportError:
        return os.waitpid(process, 0)[1].to_bytes(4, "big") + _UNKNOWN
    # By their places, which touches less memory than names.
    number = status << 64 | round(usage[0] * 1e6)
    number = number << 64 | round(usage[1] * 1e6)
    number = number << 64 | usage[2] * 1024
    return number.to_bytes(28, "big")


def _wait4(process: int) -> tuple:
    global _resource
    if _resource is None:
        _resource = _unseen.load("resource")
    modules = sys.modules
    of_script = modules.get("resource", _UNKNOWN)
    if of_script is _resource:
        return wait4(process, 0)
    modules["resource"] = _resource
    try:
        return wait4(process, 0)
    finally:
        if of_script is _UNKNOWN:
            del modules["resource"]
        else:
            modules["resource"] = of_script
