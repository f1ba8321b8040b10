"""The server of protocol v1, as under /usr/bin/prefork-interp.

::

    launcher -- exec --> SETUP
       |<-- exit 0 --------|
       |                   `-> SERVER              own session
       |                         | fork: first on CALL, then on each connection to LISTEN
       |<-- greeting ------------+-> MONITOR       own process group (_monitor)
       |--- byte, files, request -->  | fork
       |<-- status -------------------+-> EXECUTOR  serve() returns

The server waits for LISTEN, WATCHE and the ends of its monitors. Of each monitor
it holds the read end of a pipe, whose other end only that monitor has: end-of-file
there is its end, whatever happens to SIGCHLD. docs/protocol.md, "v1".
"""

import os
import select
import sys
import time

from . import _files, _wire
from ._forkpoint import ForkPoint, empty_standard, flush
from ._monitor import Monitor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ._handover import Handover


class Server:
    """The warm process. It ends by itself, or when the other end of WATCHE is closed."""

    def __init__(
        self,
        handover: "Handover",
        max_servers: int,
        idle_timeout: float,
        with_modules: bool,
        max_errors: int,
        log_facility: str,
    ):
        """Prepare; nothing is changed yet. The options are those of prefork_initialisation_complete."""
        self._handover = handover
        self._max_servers = max_servers
        self._idle_timeout = idle_timeout
        self._with_modules = with_modules
        self._max_errors = max_errors
        self._log_facility = log_facility
        self._monitors: dict[int, int] = {}  # read end of its pipe -> process
        self._errors = 0  # in a row

    def serve(self, handover: "Handover") -> None:
        """Reach the fork point and serve; return in each executor, with its request taken.

        The process that called exits with status 0; the server is a child of it
        and never returns. OSError: that first fork fails.
        """
        self._point = ForkPoint(handover.descriptors())
        flush()
        if os.fork() > 0:
            os._exit(0)
        os.setsid()
        self._point.quiet()
        self._listen = _wire.adopt(handover.listen)
        self._listen.setblocking(False)
        if self._start_monitor(_wire.adopt(handover.call)):
            return  # this is an executor
        empty_standard((0, 1, 2))
        self._accept_all()

    # ---- the server's life ----

    def _accept_all(self) -> None:
        """Start monitors until it is time to end; return in executors only."""
        busy = time.monotonic()
        while True:
            ready = self._wait(busy)
            if self._handover.watche in ready:
                self._heed_watcher()
            self._reap(ready)
            if not ready and time.monotonic() - busy >= self._idle_timeout >= 0:
                os._exit(0)
            if self._listen.fileno() in ready:
                busy = time.monotonic()
                if self._accept():
                    return
            if self._monitors:
                busy = time.monotonic()

    def _wait(self, busy: float) -> "set[int]":
        """Wait for something to do; return the descriptors that are ready."""
        poll = select.poll()
        poll.register(self._handover.watche, select.POLLIN)
        if self._max_servers < 0 or len(self._monitors) < self._max_servers:
            poll.register(self._listen.fileno(), select.POLLIN)
        for pipe in self._monitors:
            poll.register(pipe, select.POLLIN)
        left = None
        if self._idle_timeout >= 0 and not self._monitors:
            left = max(0.0, busy + self._idle_timeout - time.monotonic())
            left = min(left * 1000 + 1, 0x7FFFFFFF)  # milliseconds, as poll takes them
        return {descriptor for descriptor, _event in poll.poll(left)}

    def _heed_watcher(self) -> "NoReturn":
        text = os.read(self._handover.watche, 4096)
        if text:
            self._log("watcher: " + text.decode(errors="replace").strip())
        os._exit(0)

    def _reap(self, ready: "set[int]") -> None:
        for pipe in ready & self._monitors.keys():
            try:
                os.waitpid(self._monitors.pop(pipe), 0)
            except ChildProcessError:
                pass  # a thread of the script waits for any child
            os.close(pipe)

    def _accept(self) -> bool:
        """Take one connection; report whether this process is an executor now."""
        if self._stale():
            os._exit(0)  # the connection that waits is reset, and the launcher makes a new server
        try:
            number, _address = self._listen._accept()
            self._errors = 0
        except BlockingIOError:
            return False  # it has been given up meanwhile
        except OSError as error:
            self._count(f"cannot accept: {error}")
            return False
        return self._start_monitor(_wire.adopt(number))

    def _count(self, text: str) -> None:
        self._log(text)
        self._errors += 1
        if self._errors >= self._max_errors:
            self._log(f"{self._errors} errors in a row: the server ends")
            os._exit(1)

    def _stale(self) -> bool:
        """Report whether a file of the script is younger than the launcher's start."""
        for name in _files.loaded(self._with_modules):
            try:
                if os.stat(name).st_mtime_ns > self._handover.start:
                    return True
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                self._log(f"cannot check {name}: {error}")
                return True
        return False

    def _log(self, text: str) -> None:
        if not self._log_facility:
            return
        import syslog

        facility = self._log_facility.upper()
        if not facility.startswith("LOG_"):
            facility = "LOG_" + facility
        script = os.path.basename(sys.argv[0]) if sys.argv else "prefork_interp"
        syslog.openlog(script, syslog.LOG_PID, getattr(syslog, facility, syslog.LOG_USER))
        syslog.syslog(syslog.LOG_ERR, text)

    # ---- monitors ----

    def _start_monitor(self, call: _wire.socket) -> bool:
        """Fork a monitor for a call; report whether this process is its executor."""
        flush()
        read_end, write_end = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(read_end)
            pid = -1
            self._count(f"cannot fork: {error}")
        if pid == 0:
            self._close_all(read_end)
            Monitor(call, write_end, self._point, self._handover.lead).run()
            return True
        call.close()
        os.close(write_end)
        if pid > 0:
            self._monitors[read_end] = pid
        return False

    def _close_all(self, read_end: int) -> None:
        """Close, in a monitor, what is the server's."""
        self._listen.close()
        for number in (self._handover.watchi, self._handover.watche, read_end, *self._monitors):
            os.close(number)
