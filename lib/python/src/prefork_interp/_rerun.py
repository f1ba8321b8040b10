"""Run a script that knows nothing of this again and again in one process: ``reuse on``.

::

    fork point      all that a script can change is looked at       Rerun()
    request         the script runs, in a fresh __main__            serve()
    its end         functions of atexit; everything is put back
    next request    the same process, or, in doubt, another

What is put back: the namespace of ``__main__`` and of each module of setup, the
search path, the warnings filters, signal handlers, the three streams. Modules that a
request has imported are dropped, but for those written in C. Not put back is what is
in objects: a list in a module that a request appends to has grown.

Where something else has changed, such as the locale, or is left, such as a thread, an
open descriptor or an object whose __del__ is still to be called, the process ends
with its request as an ordinary executor does. docs/protocol.md, "Native".
"""

import _contextvars
import _locale
import _signal
import _socket
import _thread
import _warnings
import atexit
import gc
import os
import sys

import prefork_interp

from . import _end, _files
from ._forkpoint import ForkPoint
from ._launch import show
from ._leftovers import flush
from ._streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Optional

    from ._requests import Requests


class Rerun:
    """What the process was at the fork point. The server makes it; each executor puts it back."""

    def __init__(self, point: ForkPoint):
        """Look at everything. ValueError says why this script can be run only once in a process."""
        if point.has_readers():
            raise ValueError("setup has a file open for reading")
        try:
            self._streams = [Stream(number) for number in range(3)]
        except (AttributeError, ValueError):
            raise ValueError("setup has closed or replaced a standard stream") from None
        self._last = _files.last_module()
        self._modules = [
            (known, dict(known), list(known.values()))
            for name, module in sys.modules.items()
            if not name.startswith("prefork_interp") and (known := _namespace(module)) is not None
        ]
        kept = (sys.path, sys.argv, sys.meta_path, sys.path_hooks, sys.warnoptions, _warnings.filters)
        self._lists = [(one, list(one)) for one in kept]
        self._settings = _settings()
        self._atexit = atexit._ncallbacks()
        # Set in an executor.
        self.requests: "Optional[Requests]" = None
        self._descriptors: "list[str]" = []

    def serve(self, code: "CodeType") -> None:
        """Serve the requests of this executor but the last; return when the script has to run once more.

        SystemExit: the process must not be used again, or nobody wants it; the status is the request's.
        """
        handlers = _handlers()
        self._descriptors = os.listdir("/proc/self/fd")
        self.requests.renew = self._renew_streams
        namespace = sys.modules["__main__"].__dict__
        while self.requests.more():
            status = _run(code, namespace)
            if not self._put_back(handlers) or not self.requests.next(status):
                raise SystemExit(0 if self.requests.told else status)

    def _put_back(self, handlers: list) -> bool:
        """Put back what the script has changed; report whether nothing of it is left."""
        prefork_interp._accepted = False
        if not self._run_atexit() or not all(map(flush, (sys.stdout, sys.stderr))):
            return False
        quiet = _thread._count() == self._settings[0] and _end.leftovers.none_young()
        try:
            if quiet:
                self.requests.let_go()  # the client need not wait for the rest
            self._restore(handlers)
            if not quiet:
                gc.collect()
                quiet = _end.leftovers.none_young()
            for stream in self._streams:
                stream.flush()
            if not all(stream.is_whole() for stream in self._streams):
                self._renew_streams()  # or the end of the interpreter would complain
        except Exception:
            return False
        return quiet and _settings() == self._settings and os.listdir("/proc/self/fd") == self._descriptors

    def _restore(self, handlers: list) -> None:
        self._restore_modules()
        for one, before in self._lists:
            if one != before:
                one[:] = before
        _warnings._filters_mutated()
        for number, handler in enumerate(handlers, 1):
            if handler is not None and _signal.getsignal(number) is not handler:
                _signal.signal(number, handler)

    def _renew_streams(self) -> None:
        for stream in self._streams:
            stream.renew()

    def _run_atexit(self) -> bool:
        """Run the functions that the script has registered for its end; report whether setup had none."""
        if atexit._ncallbacks() == self._atexit:
            return True
        if self._atexit > 1:
            return False  # all of them would run: leave it to the end of the process
        for name in ("__file__", "__cached__"):  # as the interpreter does
            sys.modules["__main__"].__dict__.pop(name, None)
        atexit._run_exitfuncs()
        _end.register()
        return True

    def _restore_modules(self) -> None:
        for module in _files.modules_since(self._last):
            known = _namespace(module)
            if known is not None and str(known.get("__file__")).endswith(".py"):
                sys.modules.pop(known["__name__"], None)
        for known, before, values in self._modules:
            if list(known.values()) == values and len(known) == len(before):
                continue
            for name in known.keys() - before.keys():
                del known[name]
            for name, value in before.items():
                if known.get(name, self) is not value:
                    known[name] = value
        annotations = sys.modules["__main__"].__dict__.get("__annotations__")
        if annotations:
            annotations.clear()


def _run(code: "CodeType", namespace: dict) -> int:
    """Run the script for one request; return the exit status that it would have."""
    try:
        _contextvars.copy_context().run(exec, code, namespace)
    except SystemExit as error:
        if error.code is not None and not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
        return _end.status_of(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
        try:
            show(sys.excepthook, error)
        except SystemExit as leaving:
            return _end.status_of(leaving)
        return 1
    return 0


def _namespace(module: object) -> "dict | None":
    try:
        known = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return None
    return known if type(known) is dict else None


def _settings() -> tuple:
    """Return what a script can change that is not put back."""
    return (
        _thread._count(),
        gc.isenabled(),
        gc.get_threshold(),
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        sys.gettrace(),
        sys.getprofile(),
        _locale.setlocale(_locale.LC_ALL),
        _socket.getdefaulttimeout(),
        _signal.pthread_sigmask(_signal.SIG_BLOCK, ()),
        os.getresuid(),
        os.getresgid(),
        os.getpriority(os.PRIO_PROCESS, 0),
    )


def _handlers() -> list:
    """Return the handlers of all signals, None where Python does not know."""
    handlers = []
    for number in range(1, _signal.NSIG):
        try:
            handlers.append(_signal.getsignal(number))
        except ValueError:
            handlers.append(None)
    return handlers
