"""The requests that an executor serves: one, or several if script and launcher have agreed so.

::

    executor                           launcher
       |--- PFI\\n, 4 x 0 ------------------>|
       |<-- 0 with stdin, request -----------|     the script runs
       |--- wait status -------------------->|     only if there may be more
       |<-- 0 with 0, 1 and 2, request ------|     the script runs again
       |    ...

While the script runs the call socket and /dev/null are open only if more may come, at high
numbers and closed when a program is executed. docs/protocol.md, "Native".
"""

import os
import sys
from _socket import MSG_NOSIGNAL
from posix import fstat

from . import _executor, _files, _wire
from ._forkpoint import ForkPoint
from ._wire import GREETING, receive_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

# The lowest number of the call socket while the script runs.
_HIGH = 10


class Requests:
    """What an executor may still serve. The server makes one for all of them."""

    def __init__(self, call: _wire.socket, point: ForkPoint, changes: "_executor.Changes"):
        """Prepare.

        :param call: what will be the call socket.
        :param changes: what setup has changed in its environment.
        """
        self._call = call
        self._left = 0
        self._identity: "tuple[int, int] | None" = None
        self._point = point
        self._changes = changes
        # The launcher has the status of the request at hand: it is over.
        self.told = False
        self._empty = False
        # The write end of the request's output when descriptor 1 has been exchanged, until the status is sent: the
        # launcher has that when it sees the output end, and is not woken for it.
        self._output: "int | None" = None
        self._null = _stand_on_null()
        # What 0, 1 and 2 are between two requests.
        self._nowhere = -1
        # The request at hand has /dev/null as its stdin: nothing has been read ahead.
        self._on_null = False
        # Called when descriptors 0, 1 and 2 have been exchanged for those of a further request.
        self.renew: "Callable[[], object]" = self._renew_stdin

    def first(self, count: int) -> None:
        """Prove to be alive, wait for the first request and take it; exit if there will be none.

        :param count: how many requests may come.
        """
        call = self._call
        if count > 1:
            number = _move_up(call.detach())
            self._identity = _identity(number)
            self._nowhere = _move_up(os.open(os.devnull, os.O_RDWR))
            self._call = call = _wire.adopt(number)
        self._left = count - 1
        try:
            call.sendall(GREETING, MSG_NOSIGNAL)
            files, environment, arguments = receive_call(call, 1)
        except (OSError, EOFError):
            os._exit(0)
        if count == 1:
            call.close()
        self._point.take_descriptors(files)
        self._on_null = fstat(0)[1:3] == self._null
        if not self._on_null:
            _executor.renew_stdin()
        _executor.take(self._point, environment, arguments, self._changes)

    def more(self) -> bool:
        """Report whether another request may come after this one, to this process and no child of it."""
        return self._left > 0 and _files.is_executor()

    def let_go(self) -> None:
        """Have the launcher read end-of-file: all is written, and nothing can come any more. OSError: no descriptor is left."""
        if not self._empty:
            self._point.empty_descriptors(self._nowhere)
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
            self._end_output()
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
            os.close(self._nowhere)
        self._point.take_descriptors(files)
        self.renew()
        _executor.take(self._point, environment, arguments, self._changes)

    def _renew_stdin(self) -> None:
        """Have sys.stdin forget the last request's, unless that was /dev/null as this one's is, and is still open."""
        before, self._on_null = self._on_null, fstat(0)[1:3] == self._null
        if not (before and self._on_null) or _is_closed(sys.__stdin__):
            _executor.renew_stdin()

    def _end_output(self) -> None:
        if self._output is not None:
            os.close(self._output)
            self._output = None

    def _finish(self) -> bool:
        """Leave nothing of the request; report whether that succeeds."""
        if _identity(self._call.fileno()) != self._identity:
            return False
        self._point.stop_timers()
        try:
            self._point.restore_place()
            _files.report()
            if not self._empty:
                self._output = os.dup(1)
            # From here to the status as little as can be: the launcher has been woken by the output.
            if not _flush():
                return False
            self.let_go()
        except OSError:
            return False
        return True

    def _close(self) -> None:
        """Serve no more. The socket is left alone if the script has put something else in its place."""
        self._end_output()
        if self._left and _identity(self._call.fileno()) == self._identity:
            self._call.close()
        else:
            self._call.detach()
        self._left = 0


def _stand_on_null() -> "tuple[int, int] | None":
    """Make sys.stdin what it is over /dev/null, which most requests have; return what tells that from others.

    None: setup has closed its stdin.
    """
    try:
        kept = os.dup(0)
    except OSError:
        return None
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.dup2(null, 0)
        _executor.renew_stdin()
        return fstat(0)[1:3]
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(null)


def _is_closed(stream: object) -> bool:
    try:
        return stream.closed
    except (AttributeError, ValueError):
        return True  # it is detached, or there is none


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
