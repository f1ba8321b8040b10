"""Bytes that cross the sockets: messages, descriptors, the request.

::

    message    type 4 | length 4 | payload         native, on ctl
    descriptor one byte, with SCM_RIGHTS           ctl; the call socket in v1
    request    length 4 | NAME=value\\0 ... \\0 argument\\0 ...
    go on      byte 0, with SCM_RIGHTS | request   native, on the call socket
    greeting   P F I \\n 0 0 0 0                    executor or monitor to launcher

docs/protocol.md, "The request", "v1" step 5 and "Native".

_socket is used instead of socket: it has all that is needed, and does not bring
half a dozen modules into the script.
"""

import os
from sys import byteorder
from _socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, MSG_NOSIGNAL, SCM_RIGHTS, SOL_SOCKET, socket

GREETING = b"PFI\n\0\0\0\0"
LONGEST = 16 << 20  # of a payload and of a request
# Room for a request that is read at once. The server has it, so that executors need not make it.
_usual = [bytearray(1 << 16)]
_SHORTEST = 12  # of the messages that a launcher sends: all have an id
_ROOM = CMSG_SPACE(4 * 4)  # for the descriptors of a message


class Garbled(Exception):
    """What the launcher says makes no sense; the text says why."""


def adopt(descriptor: int) -> socket:
    """Return a socket that owns a descriptor and blocks for ever, whatever the script's default timeout is."""
    adopted = socket(fileno=descriptor)
    adopted.settimeout(None)
    return adopted


class borrow:
    """A socket object for a descriptor that stays open: ``with borrow(3) as ctl``."""

    def __init__(self, descriptor: int):
        self._socket = adopt(descriptor)

    def __enter__(self) -> socket:
        return self._socket

    def __exit__(self, *_error) -> None:
        self._socket.detach()


def strings(texts) -> bytes:
    """Encode texts as the strings of the protocol, with a NUL at the end of each."""
    return b"".join(os.fsencode(text) + b"\0" for text in texts)


def send(peer: socket, kind: bytes, payload: bytes) -> None:
    """Send a message. OSError: the launcher has gone (never SIGPIPE)."""
    send_bytes(peer, kind + len(payload).to_bytes(4, "big") + payload)


def send_text(peer: socket, kind: bytes, text: str) -> None:
    """Send a message that is one line of text."""
    send(peer, kind, " ".join(text.split()).encode(errors="surrogateescape"))


def send_bytes(peer: socket, data: bytes) -> None:
    """Send bytes as they are. OSError: the launcher has gone."""
    peer.sendall(data, MSG_NOSIGNAL)


def receive(peer: socket, length: int) -> bytes:
    """Receive exactly so many bytes. EOFError: the end comes first."""
    pieces = []
    while length:
        piece = _receive_some(peer, length)
        if not piece:
            raise EOFError
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def receive_message(peer: socket) -> "tuple[bytes, bytes, list[int]]":
    """Receive a message: type, payload, and the descriptors that have come with it.

    Where a launcher sends several in one write, they come with the first of them.

    EOFError: the end. Garbled: too long.
    """
    # No message is shorter; so nothing of the next one is received with it.
    data, control, _flags, _address = peer.recvmsg(_SHORTEST, _ROOM, MSG_CMSG_CLOEXEC)
    if not data:
        raise EOFError
    if len(data) < 8:
        data += receive(peer, 8 - len(data))
    missing = 8 + int.from_bytes(data[4:8], "big") - len(data)
    if not 0 <= missing <= LONGEST:
        raise Garbled(f"the message {data[:8]!r} has no such length")
    if missing:
        data += receive(peer, missing)
    return data[:4], data[8:], _descriptors(control)


def receive_descriptor(peer: socket) -> int:
    """Receive one byte with one descriptor. EOFError: the end. Garbled: no descriptor came with it."""
    data, control, _flags, _address = peer.recvmsg(1, CMSG_SPACE(4), MSG_CMSG_CLOEXEC)
    if not data:
        raise EOFError
    files = _descriptors(control)
    if not files:
        raise Garbled("a byte came without its descriptor")
    return files[0]


def greet(call: socket) -> None:
    """Send the greeting, and receive the byte that says go on.

    EOFError, OSError: the launcher has gone. Garbled: the byte is not zero.
    """
    send_bytes(call, GREETING)
    first = receive(call, 1)
    if first != b"\0":
        raise Garbled(f"the call begins with {first!r}")


def receive_call(peer: socket, count: int) -> "tuple[list[int], dict[bytes, bytes], list[bytes]]":
    """Receive the byte that says go on, with its descriptors, and the request behind it.

    All of it usually comes with one system call.

    EOFError: the end. Garbled: it is not so many descriptors, or see :func:`parse_request`.
    """
    length, control, _flags, _address = peer.recvmsg_into(_usual, _ROOM, MSG_CMSG_CLOEXEC)
    if not length:
        raise EOFError
    data = bytes(_usual[0][:length])
    files = _descriptors(control)
    if data[0] or len(files) != count:
        raise Garbled(f"the call begins with {data[:1]!r} and {len(files)} descriptors, not {count}")
    if len(data) < 5:
        data += receive(peer, 5 - len(data))
    missing = 5 + _size(data[1:5], "the request") - len(data)
    if missing < 0:
        raise Garbled("there is more than the request")
    if missing:
        data += receive(peer, missing)
    environment, arguments = parse_request(data[5:])
    return files, environment, arguments


def receive_request(peer: socket) -> "tuple[dict[bytes, bytes], list[bytes]]":
    """Receive a request: environment and arguments. EOFError: the end. Garbled: see :func:`parse_request`."""
    return parse_request(_receive_counted(peer, receive(peer, 4), "the request"))


def parse_request(data: bytes) -> "tuple[dict[bytes, bytes], list[bytes]]":
    """Take a request apart.

    A name that comes twice has its first value, as getenv(3) finds it and Python
    at its start takes it.

    Garbled: a string has no ``=``, or a NUL is missing.
    """
    words = data[:-1].split(b"\0")
    if data[-1:] != b"\0" or b"" not in words:
        raise Garbled("a NUL is missing in the request")
    end = words.index(b"")
    pairs = [word.split(b"=", 1) for word in words[:end]]
    try:
        environment: dict[bytes, bytes] = dict(pairs)
    except ValueError:
        bare = next(pair[0] for pair in pairs if len(pair) == 1)
        raise Garbled(f"{bare!r} in the request's environment has no '='") from None
    if len(environment) < len(pairs):
        environment.update(reversed(pairs))
    return environment, words[end + 1 :]


def _receive_counted(peer: socket, length: bytes, what: str) -> bytes:
    return receive(peer, _size(length, what))


def _size(length: bytes, what: str) -> int:
    size = int.from_bytes(length, "big")
    if size > LONGEST:
        raise Garbled(f"{what} has {size} bytes, more than {LONGEST}")
    return size


def _descriptors(control: list) -> "list[int]":
    for level, kind, value in control:
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            files = []
            for at in range(0, len(value) - 3, 4):
                files.append(int.from_bytes(value[at : at + 4], byteorder))
            return files
    return []


def _receive_some(peer: socket, length: int) -> bytes:
    try:
        return peer.recv(length)
    except ConnectionResetError:
        return b""  # it has gone without reading what was sent: the end as well
