"""What the process is at the fork point, and how an executor gets it back.

The script's descriptors, signal handlers and timers are in the way of the
server, and must be in the executor what they were::

                    SETUP          SERVER           EXECUTOR
    0, 1, 2         setup's        0: /dev/null     the request's
    twins of them   setup's        setup's          the request's, same numbers
    umask, folder   setup's        setup's          setup's
    read-only files at an offset   shared           opened anew, at that offset
    handlers        the script's   default          the script's
    timers          running        off              running

docs/protocol.md, "What an executor does, in this order", steps 2 to 4.
"""

import _signal
import os
import stat
import sys
from posix import close, dup2

CLOSE_ON_EXEC = os.O_CLOEXEC
TIMERS = (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF)


class ForkPoint:
    """The state of setup at its fork point. The server makes one; its executors use it."""

    def __init__(self, own: "list[int]"):
        """Look at the descriptors, all but the library's own, and stop the timers.

        Stopping comes first: a handler that ran from here on would run in the server.
        """
        timers = [(timer, *_signal.setitimer(timer, 0)) for timer in TIMERS]
        self._timers = [(timer, delay, interval) for timer, delay, interval in timers if delay]
        self._handlers = _handlers()
        # What has something in it that is the request's, or must be each process's own.
        self.generators = sys.modules.get("numpy.random")
        self.gateway = sys.modules.get("wsgiref.handlers")
        original = getattr(sys, "orig_argv", [])  # since Python 3.10
        # How many words of sys.orig_argv come before the arguments.
        self.lead = len(original) - max(len(sys.argv) - 1, 0)
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._folder = _current_folder()
        self._twins: list[tuple[int, int, bool]] = []
        self._readers: list[tuple[int, int, bool]] = []
        standard = [_look(number) for number in range(3)]
        for number in map(int, os.listdir("/proc/self/fd")):
            if number > 2 and number not in own:
                self._sort(number, standard)

    def _sort(self, number: int, standard: "list[_Open | None]") -> None:
        seen = _look(number)
        if seen is None:
            return  # it was open only to list the others
        heritable = os.get_inheritable(number)
        twin = _twin(seen, standard)
        if twin is not None:
            self._twins.append((number, twin, heritable))
        elif seen.read_only and stat.S_ISREG(os.fstat(number).st_mode):
            self._readers.append((number, seen.offset, heritable))

    def quiet(self) -> None:
        """Make signals what a server needs: none runs a handler of the script, children can be waited for."""
        for number, _handler in self._handlers:
            _signal.signal(number, _signal.SIG_DFL)
        _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)

    def restore_signals(self) -> None:
        """Undo :meth:`quiet`."""
        _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
        for number, handler in self._handlers:
            _signal.signal(number, handler)

    def restore_timers(self) -> None:
        """Let alarms run again, with the time that was left."""
        for timer, delay, interval in self._timers:
            _signal.setitimer(timer, delay, interval)

    def stop_timers(self) -> None:
        """Stop what a request has set."""
        for timer in TIMERS:
            _signal.setitimer(timer, 0)

    def restore_place(self) -> None:
        """Put umask and current directory back. OSError: there is no such directory any more."""
        os.umask(self._umask)
        os.chdir(self._folder)

    def take_descriptors(self, files: "list[int]") -> None:
        """Make files the descriptors 0, 1 and 2, or the first of these, and their twins.

        The files are closed afterwards. OSError: no descriptors are left.
        """
        number = 0
        for file in files:
            dup2(file, number)
            number += 1
        for number, twin, heritable in self._twins:
            if twin < len(files):
                dup2(files[twin], number, heritable)
        for file in files:
            close(file)

    def empty_descriptors(self, null: int) -> None:
        """Put 0, 1 and 2 and their twins on /dev/null: who reads the other ends is at the end.

        :param null: /dev/null, open for both ways.
        """
        for number in range(3):
            dup2(null, number)
        for number, _twin, heritable in self._twins:
            dup2(null, number, heritable)

    def has_readers(self) -> bool:
        """Report whether setup has files open that are opened anew in each executor."""
        return bool(self._readers)

    def open_anew(self) -> None:
        """Give read-only files an offset of their own."""
        for number, offset, heritable in self._readers:
            _reopen(number, offset, heritable)


class _Open:
    """An open descriptor, from /proc: what it leads to, and how it was opened."""

    def __init__(self, number: int):
        self.target = os.readlink(f"/proc/self/fd/{number}")
        about = {}
        for line in _read(f"/proc/self/fdinfo/{number}").splitlines():
            name, _, value = line.partition(b":")
            about[name] = value
        self.offset = int(about[b"pos"])
        self.flags = int(about[b"flags"], 8) & ~CLOSE_ON_EXEC
        self.read_only = self.flags & (os.O_ACCMODE | os.O_PATH) == os.O_RDONLY


def _look(number: int) -> "_Open | None":
    try:
        return _Open(number)
    except OSError:
        return None


def _twin(seen: _Open, standard: "list[_Open | None]") -> "int | None":
    """Return which of 0, 1 and 2 a descriptor is a duplicate of.

    Duplicates share their flags (but close-on-exec). So 1 and 2 can be told apart
    though they are one pipe, and a /dev/null opened by a module for writing is
    none of 0. Where nothing tells 1 from 2, which is so under prefork-interp, it
    is taken for stderr: that is the one that is saved.
    """
    for number in (0, 2, 1):
        known = standard[number]
        if known and known.target == seen.target and known.flags == seen.flags:
            return number
    return None


def _reopen(number: int, offset: int, heritable: bool) -> None:
    try:
        file = os.open(f"/proc/self/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return  # its permissions have changed: a shared offset is better than none
    os.lseek(file, offset, os.SEEK_SET)
    os.dup2(file, number, heritable)
    os.close(file)


def _read(name: str) -> bytes:
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, 4096)
    finally:
        os.close(file)


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # it has been removed: nobody can go there again


def _handlers() -> "list[tuple[int, object]]":
    """Return number and handler of all signals that are not at their default.

    A handler that Python does not know (None) is left alone: faulthandler's do no harm.
    """
    known = []
    for number in range(1, _signal.NSIG):
        try:
            handler = _signal.getsignal(number)
        except ValueError:
            continue
        if handler is not None and handler != _signal.SIG_DFL:
            known.append((number, handler))
    return known


def empty_standard(numbers: "tuple[int, ...]") -> None:
    """Put these of 0, 1 and 2 on /dev/null, and any other of them that is closed.

    After this a descriptor that is received cannot have a number below 3.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        if number in numbers or _look(number) is None:
            os.dup2(null, number)
    if null > 2:
        os.close(null)
    else:
        os.set_inheritable(null, True)  # it is one of the three itself


def flush() -> None:
    """Write what the script has printed: a fork would make two of it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError, OSError):
            pass  # closed, replaced, or nobody reads any more
