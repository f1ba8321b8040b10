"""The handover: what a launcher offers in the variable PREFORK_INTERP.

::

    v1,1795242621.579386987 3,4,5,6 n1,automatic preload=json,sqlite3
    |  |                    | | | |  |  |         settings, name=value (also: reuse=on)
    |  |                    | | | |  |  where the fork point is
    |  |                    | | | |  the native dialect, version 1
    |  |                    LISTEN, CALL, WATCHI, WATCHE
    |  start
    version

docs/protocol.md, "The handover".
"""

import os
import posix
import sys

VARIABLE = "PREFORK_INTERP"


class Handover:
    """A parsed handover. The package owns it until the fork point takes it."""

    def __init__(self, value: str):
        """Parse; ValueError says what is wrong with it."""
        words = value.split(" ")
        if len(words) < 2:
            raise ValueError("it has fewer than two words")
        version = words[0].split(",")
        if version[0] != "v1" or len(version) < 2:
            raise ValueError("its first word is not version v1 with a time")
        numbers = [int(field) for field in words[1].split(",")[:4]]
        if len(numbers) < 4:
            raise ValueError("it names fewer than four descriptors")
        # When the launcher started, in nanoseconds: what st_mtime_ns compares with.
        self.start = _nanoseconds(version[1])
        self.listen, self.call, self.watchi, self.watche = numbers
        self.native = False
        self.automatic = False
        # What may come before the arguments of each call, see _lead.
        self.lead: list[bytes] = []
        self.reuse = False  # the administrator lets a whole script run several times in a process
        # The name of the socket where a script asks for more time; empty without one.
        self.extend = ""
        self._preload: list[str] = []
        for word in words[2:]:
            self._offer(word)

    def _offer(self, word: str) -> None:
        if word.partition(",")[0] == "n1":
            self.native = True
            self.automatic = "automatic" in word.split(",")
        name, _, setting = word.partition("=")
        if name == "preload":
            self._preload = [module for module in setting.split(",") if module]
        if name == "extend":
            self.extend = setting
        if word == "reuse=on":
            self.reuse = True

    def descriptors(self) -> "list[int]":
        """Return what has been inherited from the launcher besides 0, 1 and 2."""
        return [self.listen, self.call, self.watchi, self.watche]

    def preload(self, note) -> None:
        """Import the modules that the launcher names.

        One that cannot be loaded is told to note, a function of one string, and
        nothing else: the script may do very well without it.
        """
        for module in self._preload:
            try:
                __import__(module)
            except BaseException as error:  # a module may even exit
                note(f"cannot preload {module}: {type(error).__name__}: {error}")

    def note(self, text: str) -> None:
        """Tell the administrator: by ``note`` in the native dialect, else on stderr."""
        if not self.native:
            print(f"prefork_interp: {text}", file=sys.stderr)
            return
        from ._wire import borrow, send_text

        with borrow(self.call) as ctl:
            try:
                send_text(ctl, b"note", text)
            except OSError:
                pass  # the launcher has gone; the server will see that


def take() -> Handover:
    """Take the handover out of the environment, and its descriptors out of what children inherit.

    With the native dialect offered, the functions that setup's end and the
    executor's end need are registered: registered first, they run last.

    SystemExit, with a message for stderr: it makes no sense.
    """
    value = os.environ.pop(VARIABLE)
    posix.environ.pop(os.fsencode(VARIABLE), None)
    try:
        handover = Handover(value)
        for descriptor in handover.descriptors():
            os.set_inheritable(descriptor, False)
    except (ValueError, OSError) as error:
        raise SystemExit(f"prefork_interp: cannot use {VARIABLE}={value!r}: {error}") from None
    if handover.native:
        from . import _bytecode, _end, _hooks, _places

        _hooks.find()
        _bytecode.spare()
        _places.remember()
        _end.register()
    else:
        handover.lead = _lead()
    return handover


def _lead() -> "list[bytes]":
    """Return the command line of setup up to the script's name.

    /usr/bin/prefork-interp sends that much of it before the arguments of each
    call; other launchers do not. It is looked at before the script can change sys.argv.
    """
    with open("/proc/self/cmdline", "rb") as file:
        words = file.read().split(b"\0")[:-1]
    return words[: len(words) - max(len(sys.argv) - 1, 0)]


def _nanoseconds(time: str) -> int:
    seconds, _, nanoseconds = time.partition(".")
    if len(nanoseconds) != 9:
        raise ValueError(f"its time {time} has not nine digits after the point")
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
