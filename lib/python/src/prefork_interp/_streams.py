"""sys.stdin, sys.stdout and sys.stderr, made anew in place, since modules may hold the objects."""

import _io
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


class Stream:
    """One of the three as the interpreter has made it, over descriptor 0, 1 or 2."""

    def __init__(self, number: int):
        """Look at it. ValueError, AttributeError: setup has closed or replaced it."""
        self._number = number
        self._text: TextIO = (sys.__stdin__, sys.__stdout__, sys.__stderr__)[number]
        self._buffer = self._text.buffer
        self._name = self._buffer.raw.name
        text = self._text
        self._settings = text.encoding, text.errors, "\n", text.line_buffering, text.write_through

    def flush(self) -> None:
        """Write what is in it. OSError: that fails."""
        for file in (self._text, self._buffer):
            try:
                file.flush()
            except ValueError:
                pass  # closed or detached: nothing is in it

    def is_whole(self) -> bool:
        """Report whether it is neither closed nor detached."""
        try:
            return self._text.buffer is self._buffer and not self._text.closed
        except ValueError:
            return False

    def renew(self) -> None:
        """Make it what it was, knowing nothing of what has been read, and whatever has become of its settings.

        The descriptor must be the request's: whether it can seek is asked here. What is still in it is lost.
        """
        raw = _io.FileIO(self._number, "wb" if self._number else "rb", closefd=False)
        raw.name = self._name
        self._buffer.__init__(raw)
        self._text.__init__(self._buffer, *self._settings)
