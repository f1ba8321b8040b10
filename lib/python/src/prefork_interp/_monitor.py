"""The monitor of protocol v1: one process for one call, between launcher and executor.

::

    launcher                     MONITOR
       |<-- PFI\\n, 4 x 0 -----------|
       |--- 0 --------------------->|
       |--- stdin, stdout, stderr ->|      one byte and one descriptor each
       |--- request --------------->|
       |                            |-- fork --> EXECUTOR    run() returns
       |    (goes: SIGINT ----------|---------------->|)
       |<-- wait status ------------|<-- ends --------'

docs/protocol.md, "v1", steps 5 and 6.
"""

import _signal
import os
import select

from . import _executor, _wire
from ._forkpoint import ForkPoint, empty_standard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Optional

# Milliseconds after which the first SIGINT is taken for lost.
_PATIENCE = 2000


class Monitor:
    """A call and what it needs. It lives in a process of its own, until the status is sent."""

    def __init__(self, call: _wire.socket, pipe: int, point: ForkPoint, lead: "list[bytes]"):
        """Take over a call.

        :param call: the call socket; the monitor owns it.
        :param pipe: an end that only this process may hold: its closing tells the server.
        :param lead: words that may come before the arguments.
        """
        self._call = call
        self._pipe = pipe
        self._point = point
        self._lead = lead

    def run(self) -> None:
        """Carry out the call; return in the executor only."""
        files: list[int] = []
        try:
            os.setpgid(0, 0)
            _wire.greet(self._call)
            for _ in range(3):
                files.append(_wire.receive_descriptor(self._call))
            environment, arguments = _wire.receive_request(self._call)
        except (EOFError, ConnectionError):
            os._exit(0)
        except (_wire.Garbled, OSError) as error:
            self._complain(files, str(error))
        if arguments[: len(self._lead)] == self._lead:
            del arguments[: len(self._lead)]
        pid = self._fork(files)
        if pid == 0:
            self._become_executor(files)
            _executor.renew_stdin()
            _executor.take(self._point, environment, arguments, {})
            _executor.begin()
            return
        for file in files:
            os.close(file)
        self._attend(pid)

    def _complain(self, files: "list[int]", text: str) -> "NoReturn":
        stderr = files[2] if len(files) == 3 else 2
        os.write(stderr, f"prefork_interp: {text}\n".encode())
        os._exit(127)

    def _fork(self, files: "list[int]") -> int:
        try:
            return os.fork()
        except OSError as error:
            self._complain(files, f"cannot fork: {error}")

    def _become_executor(self, files: "list[int]") -> None:
        try:
            self._call.close()
            os.close(self._pipe)
            empty_standard(())
            _executor.prepare(self._point, files)
        except BaseException as error:
            self._complain([], f"cannot begin: {error}")

    def _attend(self, pid: int) -> "NoReturn":
        """Wait for the executor, interrupt it if the launcher goes, and send its status."""
        # Setup's own stderr must not stay open for the time of the first call.
        empty_standard((0, 1, 2))
        process = self._launcher_goes_first(pid)
        if process is not None:
            self._interrupt(process)
        _pid, status = os.waitpid(pid, 0)
        try:
            _wire.send_bytes(self._call, status.to_bytes(4, "big"))
        except OSError:
            pass  # nobody is there to hear it
        os._exit(0)

    def _interrupt(self, process: int) -> None:
        """Send SIGINT to the group, and once more if the process does not end by that.

        Python remembers a signal that arrives just before it blocks, and acts on it
        when it wakes: the second one is what wakes it.
        """
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        os.killpg(0, _signal.SIGINT)
        poll = select.poll()
        poll.register(process, select.POLLIN)
        if not poll.poll(_PATIENCE):
            os.killpg(0, _signal.SIGINT)

    def _launcher_goes_first(self, pid: int) -> "Optional[int]":
        """Wait for the end of the process or of the call; if it was the call's, return a pidfd."""
        try:
            process = os.pidfd_open(pid)
        except (AttributeError, OSError):
            return None  # an old kernel or libc: only waiting is left
        poll = select.poll()
        poll.register(process, select.POLLIN)
        poll.register(self._call.fileno(), select.POLLIN)
        ready = [descriptor for descriptor, _event in poll.poll()]
        return process if process not in ready else None
