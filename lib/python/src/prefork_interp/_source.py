"""The bytes of a script."""

import os


def read(script: str) -> bytes:
    """Return the bytes of the script. OSError: it cannot be read."""
    # Not open(): io would be asked for a buffer and a name that nobody needs.
    file = os.open(script, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = []
        while piece := os.read(file, 1 << 20):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(file)
