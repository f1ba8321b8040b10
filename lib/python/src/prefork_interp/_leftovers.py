"""What the end of the interpreter would notice: is there anything left when a script has ended?

The interpreter takes itself apart at its end, which costs more than most scripts:
it destroys every object, so that it copies every page of what setup has made.
Where nothing would notice that, an executor can do without (``_end``). These would:

    an object with __del__                  called
    a generator or coroutine, suspended     its finally blocks run
    a weak reference with a callback        called
    a file that was written to              flushed
    a class of C, or a library, unknown     who knows

The collector knows all objects but those of which no other can be a part, and after
gc.freeze() it names only those that are younger. So setup's are looked at once,
in the server, and the rest when a script ends. In doubt there is something left.
"""

import _thread
import _warnings
import atexit
import gc
import os
import sys
from _weakref import ref

from . import _files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_STANDARD = os.path.dirname(os.__file__) + "/lib-dynload/"

# Modules of C with buffers, or with objects that do something at their end and that
# the collector does not know; and others that plainly have neither.
_DOUBTFUL = frozenset("_ctypes _curses _dbm _gdbm _tkinter readline".split())
if sys.version_info < (3, 11):
    _DOUBTFUL |= {"_sqlite3"}
_SIMPLE = frozenset("markupsafe._speedups simplejson._speedups yaml._yaml".split())

_COUNTED = sys.version_info < (3, 13)

# What has to be done about the objects of a class.
_NOTHING, _DOUBT, _CLASS, _FLUSH, _CALLBACK, _GENERATOR, _OPEN = range(7)

_KNOWN = {
    "_io.BytesIO": _NOTHING,
    "_io.StringIO": _NOTHING,
    "_io.FileIO": _OPEN,
    "_io.BufferedReader": _OPEN,
    "_io.BufferedWriter": _FLUSH,
    "_io.BufferedRandom": _FLUSH,
    "_io.BufferedRWPair": _FLUSH,
    "_io.TextIOWrapper": _FLUSH,
    "socket.SocketIO": _OPEN,
    "builtins.generator": _GENERATOR,
    "builtins.coroutine": _GENERATOR,
    "builtins.async_generator": _GENERATOR,
    "sqlite3.Connection": _DOUBT,
}
# Classes whose __del__ does no more than warn that something is still open.
_ONLY_WARN = frozenset(("_socket.socket", "subprocess.Popen"))
# Modules whose callbacks only keep a table up to date.
_TABLES = frozenset("_weakrefset functools logging threading weakref".split())

_HAVE_GC = 1 << 14  # Py_TPFLAGS_HAVE_GC
_mro = type.__dict__["__mro__"].__get__


class _Young:
    """The class of one object that is made after gc.freeze()."""


class Leftovers:
    """What there was at the fork point. The server makes one; each executor asks it at its end."""

    def __init__(self):
        """Look at what setup has made, and keep it from the collector.

        Garbage collections of executors then leave it alone; else each would copy the pages of it.
        """
        self._verdicts: "dict[type, int]" = {_Young: _NOTHING}
        gc.collect()
        self._last = _files.last_module()
        self._threads = _thread._count()
        self._shutdown = getattr(sys.modules.get("threading"), "_shutdown", None)
        written: list = []
        self._doubt = not _known(list(sys.modules.values())) or not self._look(gc.get_objects(), written)
        self._written = [ref(file) for file in written]
        del written
        gc.freeze()
        # It tells whether the script has called gc.freeze() as well.
        self._young = _Young()

    def release(self) -> None:
        """Give setup's objects back to the collector, for the end of the interpreter.

        Else the modules would not be taken apart together with the script's objects,
        whose __del__ would find them empty.
        """
        if any(type(one) is _Young for one in gc.get_objects()):  # and the script has frozen none itself
            gc.unfreeze()

    def nothing_registered(self) -> bool:
        """Report that nobody would notice if neither threading nor atexit did anything at the end, but for this package."""
        threading = sys.modules.get("threading")
        if threading is not None and (threading._shutdown is not self._shutdown or threading._threading_atexits):
            return False
        logging = sys.modules.get("logging")
        # It registers one function, this package another. What is unregistered still counts, up to Python 3.12.
        return _COUNTED and atexit._ncallbacks() == (1 if logging is None else 2) and _has_no_handlers(logging)

    def none(self) -> bool:
        """Report that nothing is left, and that all is written; else that may have to be done yet."""
        return not self._doubt and _thread._count() == self._threads and self.none_young()

    def none_young(self) -> bool:
        """Report the same of what has been made since the fork point; setup's own is not looked at."""
        written: list = []
        if not _known(_files.modules_since(self._last)) or not self._look(gc.get_objects(), written, _Young):
            return False
        # In the interpreter's order: first these two.
        files = [sys.stdout, sys.stderr, *written, *(file() for file in self._written)]
        return all(map(flush, files))

    def _look(self, objects: list, written: list, needed: "type | None" = None) -> bool:
        """Report whether nothing would notice the end of these objects; add those to be flushed to written.

        :param needed: a class that one of the objects must have.
        """
        verdicts = self._verdicts
        kinds = set(map(type, objects))
        if needed is not None and needed not in kinds:
            return False
        for kind in kinds:
            if kind not in verdicts:
                verdicts[kind] = _verdict(kind)
        matter = {kind for kind in kinds if verdicts[kind]}
        if not matter:
            return True
        for one in objects:
            kind = type(one)
            if kind in matter and not _harmless(one, verdicts[kind], written):
                return False
        return True


def _has_no_handlers(logging: "ModuleType | None") -> bool:
    """Report whether logging has nothing to flush or close but its own handler for stderr, which keeps nothing."""
    if logging is None:
        return True
    try:
        (handler,) = logging._handlerList
        return type(handler()) is logging._StderrHandler
    except (AttributeError, ValueError):
        return False  # there are others, or it is not Python's own


def _known(modules: "list[ModuleType]") -> bool:
    """Report whether modules of C are Python's own, and harmless."""
    for module in modules:
        known = getattr(module, "__dict__", {})
        name, file = known.get("__name__"), known.get("__file__")
        if name in _DOUBTFUL:
            return False
        if isinstance(file, str) and file.endswith(".so"):
            if not file.startswith(_STANDARD) and name not in _SIMPLE:
                return False
    return True


def _verdict(kind: type) -> int:
    """Return what has to be done about the objects of a class."""
    name = _name(kind)
    if name in _KNOWN:
        return _KNOWN[name]
    bases = _mro(kind)
    if type in bases:
        return _CLASS
    if ref in bases:
        return _CALLBACK
    for base in bases:
        if "__del__" in base.__dict__:
            return _OPEN if _name(base) in _ONLY_WARN else _DOUBT
    return _NOTHING


def _harmless(one: object, verdict: int, written: list) -> bool:
    if verdict == _CLASS:
        # Instances that the collector does not know.
        bases = _mro(one)
        return bool(one.__flags__ & _HAVE_GC) or not any(_deletes(base) for base in bases)
    if verdict == _CALLBACK:
        return _only_keeps_a_table(one.__callback__)
    if verdict == _GENERATOR:
        frames = [getattr(one, name, None) for name in ("gi_frame", "cr_frame", "ag_frame")]
        return frames == [None, None, None]
    if verdict == _FLUSH:
        written.append(one)
    return verdict in (_FLUSH, _OPEN) and _open_is_no_warning()


def _deletes(kind: type) -> bool:
    return "__del__" in kind.__dict__ and kind.__module__ != "posix"  # an iterator over a directory


def _only_keeps_a_table(callback: object) -> bool:
    if callback is None or type(callback) is type(len):
        return True
    owner = getattr(callback, "__module__", None)
    return owner in _TABLES


def _open_is_no_warning() -> bool:
    """Report whether ResourceWarning is ignored, as it is by default."""
    for action, message, category, module, _line in _warnings.filters:
        if issubclass(ResourceWarning, category):
            return action == "ignore" and message is None and module is None
    return False


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def flush(file: object) -> bool:
    """Flush a file if it is open; report whether all of it is written."""
    try:
        if file is not None and not file.closed:
            file.flush()
    except Exception as error:
        # The interpreter tries again, and says what it thinks of it. But what has
        # been detached is empty, and only if it is sys.stdout there is a complaint.
        return isinstance(error, ValueError) and file is not sys.stdout
    return True
