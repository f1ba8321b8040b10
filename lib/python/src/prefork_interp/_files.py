"""Which files the script is made of.

A launcher replaces a server when one of them changes. Setup reports all that it
has loaded; an executor, at its end, what it has loaded besides::

    EXECUTOR  -- strings, <= 4096 bytes -->  inbox of the SERVER  -- file -->  launcher

docs/protocol.md, "Native", message ``file``, and "At its end".
"""

import os
import sys
from posix import getpid, getppid

import prefork_interp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

FOLDER = os.path.dirname(__file__) + "/"
PIECE = 4096  # PIPE_BUF: what is written at once is not mixed with another's

# Of the executor that this process is; 0 in any other.
_executor = 0
_server = 0
_inbox = -1
_with_modules = True
_reported: "frozenset[str] | set[str]" = set()
_last = ""


def loaded(modules: bool = True) -> "set[str]":
    """Return the absolute names of the script, of what it also wants checked, and of its modules.

    modules false: without the modules.
    """
    files = set(prefork_interp._also_check)
    # The interpreter takes __file__ away when the script has come to its end.
    files.update(filter(None, [_file_of(sys.modules.get("__main__"))]))
    if modules:
        # A copy: a thread may import.
        files.update(filter(None, map(_file_of, list(sys.modules.values()))))
    return {os.path.abspath(name) for name in files if not name.startswith(FOLDER)}


def missed() -> "set[str]":
    """Return the absolute names of files that would be imported instead of others, if they existed.

    Those of modules and packages, in the folders of sys.path before the one in which another was
    found. A module of a package is looked for in the package's folder only.
    """
    folders = [os.path.abspath(folder) for folder in sys.path]
    names = set()
    for name, module in list(sys.modules.items()):
        file = _file_of(module)
        if file is None or "." in name or name.startswith("__"):
            continue
        package = os.path.splitext(os.path.basename(file))[0] == "__init__"
        home = os.path.dirname(os.path.abspath(file))
        if package:
            home = os.path.dirname(home)
        if home not in folders or file.startswith(FOLDER):
            continue
        before = [f"{folder}/{name}" for folder in folders[: folders.index(home)]]
        names.update(path + ending for path in before for ending in (".py", "/__init__.py"))
        if not package:
            names.add(f"{home}/{name}/__init__.py")
    return names


def _loaded_since() -> "set[str]":
    """Return what :func:`loaded` does, but for modules that were there before."""
    files = set(prefork_interp._also_check)
    if _with_modules:
        files.update(filter(None, map(_file_of, modules_since(_last))))
    return {os.path.abspath(name) for name in files if not name.startswith(FOLDER)}


def last_module() -> str:
    """Return the name of the module that was imported last."""
    return next(reversed(sys.modules))


def modules_since(last: str) -> "list[ModuleType]":
    """Return the modules that have been imported after the one that was the last then.

    The others are not even touched: to count a reference to each would copy the pages of all.
    """
    new = []
    try:
        for name in reversed(sys.modules):
            if name == last:
                break
            new.append(sys.modules[name])
    except (RuntimeError, KeyError):
        return list(sys.modules.values())  # a thread imports
    return new


def _file_of(module: object) -> "str | None":
    # Neither getattr nor a look at the class: modules may compute attributes, and
    # sys.modules may hold anything.
    try:
        known = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return None
    name = known.get("__file__")
    if not isinstance(name, str):
        return None
    # In an archive there is no such file; the archive is what changes.
    archive = getattr(known.get("__loader__"), "archive", None)
    return archive if isinstance(archive, str) else name


def become_server(inbox: int, with_modules: bool, reported: "set[str]") -> None:
    """Remember, for executors, where their server is and what it has reported, a set that grows."""
    global _server, _inbox, _with_modules, _reported, _last
    _last = last_module()
    _server, _inbox = getpid(), inbox
    _with_modules, _reported = with_modules, reported


def become_executor() -> None:
    """Remember that this process is an executor."""
    global _executor
    _executor = getpid()


def is_executor() -> bool:
    """Report whether this process is an executor: not setup, and not a process that the script has forked."""
    return getpid() == _executor


def report() -> None:
    """In an executor: tell the server which files have been loaded since it was forked."""
    global _reported
    # Were the server dead, then another process could have its number.
    if not is_executor() or getppid() != _server:
        return
    new = _loaded_since() - _reported
    if not new:
        return
    _reported = _reported | new
    try:
        inbox = os.open(f"/proc/{_server}/fd/{_inbox}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        for piece in _pieces(sorted(new)):
            os.write(inbox, piece)
        os.close(inbox)
    except OSError:
        pass  # a change of a file is then noticed later, when another executor reports it


def _pieces(names: "list[str]") -> "list[bytes]":
    pieces = [b""]
    for name in names:
        string = os.fsencode(name) + b"\0"
        if len(pieces[-1]) + len(string) > PIECE:
            pieces.append(b"")
        pieces[-1] += string
    return [piece for piece in pieces if 0 < len(piece) <= PIECE]
