"""The requests that an executor serves: one, or several if script and launcher have agreed so.

::

    executor                           launcher
       |--- PFI\\n, 4 x 0 ------------------>|
       |<-- 0 with stdin, request -----------|     the script runs
       |--- wait status -------------------->|     only if there may be more
       |<-- 0 with 0, 1 and 2, request ------|     the script runs again
       |    ...

While the script runs the call socket is open only if more may come, at a high
number and closed when a program is executed. docs/protocol.md, "Native".
"""

import os
import sys

from . import _executor, _files, _wire
from ._forkpoint import ForkPoint

# The lowest number of the call socket while the script runs.
_HIGH = 10


class Requests:
    """What an executor may still serve. It belongs to the process that has made it, and to no child."""

    def __init__(self, call: _wire.socket, count: int, point: ForkPoint, changes: "_executor.Changes"):
        """Prepare; nothing is sent or received yet.

        :param call: the call socket; it is owned.
        :param count: how many requests may come.
        :param changes: what setup has changed in its environment.
        """
        if count > 1:
            number = _move_up(call.detach())
            self._identity = _identity(number)
            call = _wire.adopt(number)
        self._call = call
        self._left = count
        self._point = point
        self._changes = changes
        self._pid = os.getpid()
        # The launcher has the status of the request at hand: it is over.
        self.told = False
        self._empty = False

    def first(self) -> None:
        """Prove to be alive, wait for the first request and take it; exit if there will be none."""
        try:
            _wire.send_bytes(self._call, _wire.GREETING)
            request = _wire.receive_call(self._call, 1)
        except (OSError, EOFError):
            os._exit(0)
        self._take(*request)

    def more(self) -> bool:
        """Report whether another request may come after this one, to this process."""
        return self._left > 0 and os.getpid() == self._pid

    def let_go(self) -> None:
        """Have the launcher read end-of-file: all is written, and nothing can come any more. OSError: no descriptor is left."""
        if not self._empty:
            self._point.empty_descriptors()
            self._empty = True

    def next(self, status: int) -> bool:
        """End the request, if the process may be used again; wait for the next one and take it.

        False: there is none. Either the process must end, with the output of this
        request still open; or the launcher wants no more of it.

        :param status: the exit status that the request has.
        """
        if not self.more() or not self._finish():
            self._close()
            return False
        try:
            self.told = True
            _wire.send_bytes(self._call, (status << 8).to_bytes(4, "big"))
            request = _wire.receive_call(self._call, 3)
        except (OSError, EOFError):
            self._close()
            return False
        except _wire.Garbled as error:
            _executor.give_up(error)
        self._take(*request)
        return True

    def _take(self, files: "list[int]", environment: "_executor.Environment", arguments: "list[bytes]") -> None:
        self.told = self._empty = False
        self._left -= 1
        if not self._left:
            self._call.close()
        self._point.take_descriptors(files)
        _executor.take(self._point, environment, arguments, self._changes)

    def _finish(self) -> bool:
        """Leave nothing of the request; report whether that succeeds."""
        if not _flush() or _identity(self._call.fileno()) != self._identity:
            return False
        self._point.stop_timers()
        try:
            self._point.restore_place()
            _files.report()
            self.let_go()
        except OSError:
            return False
        return True

    def _close(self) -> None:
        """Serve no more. The socket is left alone if the script has put something else in its place."""
        if self._left and _identity(self._call.fileno()) == self._identity:
            self._call.close()
        else:
            self._call.detach()
        self._left = 0


def _flush() -> bool:
    """Write what has been printed; report whether all of it is, so that none meets the next request."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except (AttributeError, ValueError):
            pass  # the script has closed or detached it, and nothing is in it
        except OSError:
            return False
    return True


def _move_up(number: int) -> int:
    free = _HIGH
    while _identity(free) is not None:
        free += 1
    os.dup2(number, free, inheritable=False)
    os.close(number)
    return free


def _identity(number: int) -> "tuple[int, int] | None":
    """Return what tells an open file from others; None: the number is free."""
    try:
        about = os.fstat(number)
    except OSError:
        return None
    return about.st_dev, about.st_ino
