"""The server of the native dialect.

::

    launcher ===== ctl =====> SERVER        the process that was setup
       fork + 4 descriptors     | fork
       reap                     |
                                v
             <-- greeting --  EXECUTOR      own process group, one per call
             --- request -->    |           on a socket of this call (_requests)
                                v
                              serve() returns, into the script

The server waits for the next message on ctl and for nothing else. It ends when
ctl does. docs/protocol.md, "Native".
"""

import _signal
import _thread
import os
import sys
import time
from _io import FileIO
from _socket import MSG_NOSIGNAL
from posix import close, dup2, setpgid

import prefork_interp

from . import _bytecode, _end, _executor, _files, _places, _wire
from ._forkpoint import ForkPoint, flush
from ._hooks import Hooks
from ._leftovers import Leftovers
from ._requests import Requests
from ._wait import wait
from ._wire import receive_message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Optional

    from ._handover import Handover
    from ._rerun import Rerun

_DONE = b"done\0\0\0\x20"  # the type, and the length of the rest
GRACE = 5.0  # seconds that executors have between SIGTERM and SIGKILL


class Server:
    """The warm process. It lives from the fork point until ctl ends."""

    def __init__(self, ctl: int, max_servers: "Optional[int]", with_modules: bool, reuse: bool = False):
        """Prepare; nothing is sent or changed yet.

        :param ctl: number of CALL, which is ctl now; the server owns it.
        :param max_servers: to announce; None or negative: nothing.
        :param with_modules: report loaded modules, too, and not the script only.
        :param reuse: to announce: an executor can serve more than one request.
        """
        self._ctl = _wire.adopt(ctl)
        self._number = ctl
        self._max_servers = max_servers
        self._with_modules = with_modules
        self._reuse = reuse
        # What setup has changed in its environment, to be changed again.
        self.changes: "_executor.Changes" = {}
        # To run the script several times in a process; None: it is not wanted, or cannot be.
        self.rerun: "Optional[Rerun]" = None
        self._executors: dict[bytes, int] = {}  # id -> process
        # Whether setup has threads, which may print.
        self._threads = False

    def serve(self, handover: "Handover") -> Requests:
        """Reach the fork point and serve; return in each executor, with its first request taken.

        The server itself never returns: it exits when ctl ends.
        """
        for number in (handover.listen, handover.watchi, handover.watche):
            os.close(number)
        self._announce_places()
        self._point = ForkPoint([self._number])
        if handover.automatic:
            if handover.reuse:
                self._prepare_rerun(handover)
            # Nothing is in there but what this package itself has looked up.
            sys.path_importer_cache.pop(os.path.dirname(__file__), None)
        self._point.quiet()
        self._inbox, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._reader = FileIO(self._inbox, closefd=False).readinto
        self._piece = bytearray(_files.PIECE)
        os.close(writer)  # executors open one of their own, through /proc
        flush()
        self._threads = _thread._count() > 0
        self._requests = Requests(self._ctl, self._point, self.changes)
        self._announce()
        _files.become_server(self._inbox, self._with_modules, self._reported)
        self._hooks = Hooks()
        _end.leftovers = Leftovers()
        requests = self._serve()
        _executor.begin()
        return requests

    def _prepare_rerun(self, handover: "Handover") -> None:
        from ._rerun import Rerun

        try:
            self.rerun = Rerun(self._point)
        except ValueError as error:
            handover.note(f"cannot reuse processes: {error}")
        self._reuse = self.rerun is not None

    def cold(self, reason: str) -> "NoReturn":
        """Tell that the script must not be warm, and why; exit with status 0."""
        flush()
        try:
            _wire.send_text(self._ctl, b"cold", reason)
        except OSError:
            pass
        os._exit(0)

    # ---- before the first fork ----

    def _announce_places(self) -> None:
        _bytecode.restore()
        places = _places.forget()
        places.pop(self._number, None)
        if places:
            words = [word for number, place in places.items() for word in (str(number), place)]
            self._tell(b"open", _wire.strings(words))

    def _announce(self) -> None:
        self._reported = _files.loaded(self._with_modules)
        self._tell(b"file", _wire.strings(sorted(self._reported)))
        if self._with_modules:
            self._tell(b"miss", _wire.strings(sorted(_files.missed())))
        settings = [
            f"library=prefork_interp {prefork_interp.__version__} (Python)",
            f"fds={self._number},{self._inbox}",
            "rights=4",
        ]
        if self._max_servers is not None and self._max_servers > 0:
            settings.append(f"max_servers={self._max_servers}")
        if self._reuse:
            settings.append("reuse=1")
        self._tell(b"PFN\n", _wire.strings(settings))

    # ---- the server's life ----

    def _serve(self) -> Requests:
        ctl = self._ctl
        files: "list[int]" = []
        try:
            while True:
                kind, payload, received = receive_message(ctl)
                if received:
                    files = received  # of the next fork, be it in this message or in one that was sent with it
                if kind == b"fork" and len(payload) in (4, 8):
                    if self._fork(payload, files):
                        return self._requests
                    files = []
                elif kind == b"reap":
                    self._reap(payload)
                else:
                    raise _wire.Garbled(f"a message {kind!r} of {len(payload)} bytes")
        except EOFError:
            self._end(0)
        except _wire.Garbled as error:
            self._die(str(error))

    def _fork(self, message: bytes, files: "list[int]") -> bool:
        """Fork; report whether this process is the executor now, with its first request taken."""
        id = message[:4]
        while len(files) < 4:  # the launcher does not send them together
            files.append(_wire.receive_descriptor(self._ctl))
        if self._threads:
            flush()  # nobody else prints here
        try:
            pid = os.fork()
        except OSError as error:
            self._tell(b"fail", id + str(error).encode())
            pid = -1
        if pid == 0:
            self._become_executor(files, int.from_bytes(message[4:], "big") or 1)
            return True
        for file in files:
            close(file)
        if pid > 0:
            self._executors[id] = pid
            try:
                # The executor does so as well: the group exists whoever is first.
                setpgid(pid, pid)
            except OSError:
                pass  # it has ended
        return False

    def _reap(self, id: bytes) -> None:
        pid = self._executors.pop(id, None)
        if pid is None:
            return
        done = _DONE + id + wait(pid)
        self._pass_on()
        try:
            self._ctl.sendall(done, MSG_NOSIGNAL)
        except OSError:
            self._end(0)

    def _pass_on(self) -> None:
        """Pass on what executors have reported to the inbox."""
        data = b""
        # None, and no exception to be made, if someone is about to write more.
        while length := self._reader(self._piece):
            data += self._piece[:length]
        if not data:
            return
        new = {os.fsdecode(name) for name in data.split(b"\0") if name} - self._reported
        if new:
            self._reported |= new
            self._tell(b"file", _wire.strings(sorted(new)))

    def _tell(self, kind: bytes, payload: bytes) -> None:
        try:
            _wire.send(self._ctl, kind, payload)
        except OSError:
            self._end(0)

    # ---- its end ----

    def _die(self, reason: str) -> "NoReturn":
        os.write(2, f"prefork_interp: the launcher makes no sense: {reason}\n".encode())
        self._end(127)

    def _end(self, status: int) -> "NoReturn":
        """End the executors that still run, and then this process."""
        _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGCHLD])
        self._kill(_signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while self._running():
            left = deadline - time.monotonic()
            if left <= 0:
                self._kill(_signal.SIGKILL)
                break
            # Blocked, the signal is kept: none is missed between looking and waiting.
            _signal.sigtimedwait([_signal.SIGCHLD], left)
        os._exit(status)

    def _running(self) -> bool:
        for id, pid in list(self._executors.items()):
            try:
                ended = os.waitpid(pid, os.WNOHANG)[0] != 0
            except ChildProcessError:
                ended = True
            if ended:
                del self._executors[id]
        return bool(self._executors)

    def _kill(self, signal: int) -> None:
        for pid in self._executors.values():
            try:
                os.killpg(pid, signal)
            except OSError:
                pass

    # ---- executor ----

    def _become_executor(self, files: "list[int]", count: int) -> None:
        """Do all that an executor does at fork; wait for the first request and take it."""
        try:
            setpgid(0, 0)
            self._hooks.restore()
            # The socket object stays, and is that of the call from here on.
            call = files.pop(0)
            dup2(call, self._number, False)
            close(call)
            close(self._inbox)
            _executor.prepare(self._point, files)
            _files.become_executor()
            self._requests.first(count)
        except BaseException as error:
            _executor.give_up(error)
