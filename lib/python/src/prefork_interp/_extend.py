"""Asking the launcher for more time (docs/protocol.md, "More time")."""

import _socket
import struct

# At most so many milliseconds can be asked for.
LARGEST = 0xFFFFFFFF


def ask(name: str, seconds: float) -> bool:
    """Return whether the launcher grants so many seconds from now."""
    wish = struct.pack(">I", int(min(seconds * 1000, LARGEST)))
    bell = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        bell.connect("\0" + name)
        bell.send(wish)
        return bell.recv(1) == b"\1"
    except OSError:
        return False
    finally:
        bell.close()
