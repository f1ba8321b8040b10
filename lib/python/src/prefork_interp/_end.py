"""The end of an executor: report, and be quick if nobody would notice.

::

    script ends
      nobody would notice what is done next     hurry
      threads are waited for                    the interpreter
      functions of atexit                       the interpreter; ours is the last
        nothing is left that would notice       _leftovers
          0, 1, 2 are closed: the launcher has all of the answer
          report, and end without taking the interpreter apart
        else
          report, and leave it to the interpreter, with all objects of setup

docs/protocol.md, "Native".
"""

import atexit
import os
import posix
import sys

from . import _files, _unseen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Optional

    from ._leftovers import Leftovers

# Set by the server.
leftovers: "Optional[Leftovers]" = None
# The size that a pipe gets to which all has been written that will be; docs/protocol.md, "The end of an executor".
_F_SETPIPE_SZ = 1031
_WHOLE = 32768
_fcntl = _unseen.load("fcntl")
# The exit status, once it is known; None: leave it to the interpreter.
status: "Optional[int]" = None


def register() -> None:
    """Have an executor do this at its end, when all else is done.

    Functions of atexit run in the opposite order of their registration, so this
    has to be called before anything of the script runs.
    """
    atexit.register(_end)


def status_of(error: SystemExit) -> int:
    """Return the exit status that the interpreter makes of SystemExit."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF if -(2**63) <= error.code < 2**63 else 0xFF
    return 1


def hurry() -> None:
    """End here if the interpreter has nothing to do first that anybody would notice."""
    if leftovers is None or not _files.is_executor() or _is_inspected():
        return
    if leftovers.nothing_registered() and leftovers.none():
        _close_and_exit()


def _is_inspected() -> bool:
    return bool(sys.flags.inspect) or b"PYTHONINSPECT" in posix.environ


def _end() -> None:
    if not _files.is_executor():
        return
    if status is None or leftovers is None or not leftovers.none():
        _files.report()
        if leftovers is not None:
            leftovers.release()
        return
    _close_and_exit()


def _close_and_exit() -> "NoReturn":
    try:
        _fcntl.fcntl(1, _F_SETPIPE_SZ, _WHOLE)
    except OSError:
        pass  # it is no pipe
    for number in (1, 2, 0):
        try:
            os.close(number)
        except OSError:
            pass  # the script has done so
    _files.report()
    os._exit(status)
