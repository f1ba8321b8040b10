"""Where in the source setup opened what is still open at the fork point.

A descriptor that all executors share, such as a connection to a database, is the
classic fault of a script served warm; the launcher can tell the administrator
the line. docs/protocol.md, "Native", message ``open``.

An audit hook sees what is opened. It cannot be removed, so after the fork point
it does nothing but return.
"""

import os
import sys
from _weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Optional

_OURS = os.path.dirname(__file__) + "/"
_LIBRARY = os.path.dirname(os.__file__) + "/"
_PACKAGES = ("/site-packages/", "/dist-packages/")

_remembering = False
_files: "dict[str, str]" = {}  # name of what is open for writing -> place
_descriptors: "dict[int, str]" = {}  # number of a connected socket -> place
_sockets: "list[tuple[ref, str]]" = []


def caller(skip: "tuple[str, ...]" = ()) -> str:
    """Return ``file:line`` of the innermost frame that is not the library's or Python's own.

    If there is only Python's own, it is the innermost of that.

    :param skip: files to pass over.
    """
    frame: "Optional[FrameType]" = sys._getframe(1)
    fallback = "?"
    while frame is not None:
        name = frame.f_code.co_filename
        place = f"{name}:{frame.f_lineno}"
        if name.startswith(_OURS) or name.startswith("<frozen ") or name in skip:
            pass
        elif not name.startswith(_LIBRARY) or any(part in name for part in _PACKAGES):
            return place
        elif fallback == "?":
            fallback = place
        frame = frame.f_back
    return fallback


def remember() -> None:
    """Begin to remember what is opened, and where."""
    global _remembering
    _remembering = True
    sys.addaudithook(_hook)


def forget() -> "dict[int, str]":
    """Stop; return number -> place of what is a socket or open for writing now."""
    global _remembering
    _remembering = False
    for socket, place in _sockets:
        alive = socket()
        if alive is not None and alive.fileno() > 2:
            _descriptors.setdefault(alive.fileno(), place)
    names = {os.path.realpath(name): place for name, place in _files.items()}
    found = {}
    for number in map(int, os.listdir("/proc/self/fd")):
        place = _place_of(number, names)
        if number > 2 and place is not None:
            found[number] = place
    _files.clear(), _descriptors.clear(), _sockets.clear()
    return found


def _place_of(number: int, names: "dict[str, str]") -> "Optional[str]":
    try:
        target = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return None  # it was open only to list the others
    if target.startswith("socket:"):
        return _descriptors.get(number)
    return names.get(target)


def _hook(event: str, arguments: tuple) -> None:
    if not _remembering:
        return
    if event == "open":
        name, _mode, flags = arguments
        if isinstance(flags, int) and flags & os.O_ACCMODE != os.O_RDONLY:
            _remember_file(name)
    elif event == "sqlite3.connect":
        _remember_file(arguments[0])
    elif event == "socket.__new__":
        # Its descriptor does not exist yet. A plain _socket.socket cannot be
        # referred to weakly, and is found when it is connected.
        try:
            _sockets.append((ref(arguments[0]), caller()))
        except TypeError:
            pass
    elif event == "socket.connect" or event == "socket.bind":
        _descriptors[arguments[0].fileno()] = caller()


def _remember_file(name: object) -> None:
    if isinstance(name, (str, bytes, os.PathLike)):
        _files[os.path.abspath(os.fsdecode(name))] = caller()
