"""Spare executors what threading and logging do in every forked process.

Both make their locks anew there, since a thread that does not exist any more may
hold one. If setup has one thread only, then none does, and that work is for nothing::

    server      their functions, which the interpreter calls, do nothing
    executor    they are as before, for what the script itself forks
"""

import _thread
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Thread
    from types import CodeType, FunctionType, ModuleType
    from typing import Optional

# What they do is known up to here.
_KNOWN = sys.version_info < (3, 14)


class Hooks:
    """What would run in each executor. The server makes one, as the last of all, and each executor restores it."""

    def __init__(self):
        """Have the functions do nothing where nothing has to be done."""
        self._own: "list[tuple[FunctionType, CodeType]]" = []
        self._main: "Optional[Thread]" = None
        if not _KNOWN or _thread._count():
            return
        threading, logging = sys.modules.get("threading"), sys.modules.get("logging")
        if threading is not None and _is_alone(threading):
            self._main = threading._main_thread
            self._replace(threading._after_fork, _nothing)
        if logging is not None and _is_usual(logging):
            self._replace(logging._after_at_fork_child_reinit_locks, _release)

    def restore(self) -> None:
        """Let them be what they were."""
        for function, code in self._own:
            function.__code__ = code
        if self._main is not None:
            self._main._native_id = _thread.get_native_id()  # the one thing that does change

    def _replace(self, function: "FunctionType", other: "FunctionType") -> None:
        self._own.append((function, function.__code__))
        function.__code__ = other.__code__


def _nothing() -> None:
    pass


def _release() -> None:
    # It runs with the names of logging, which has taken this lock before the fork.
    _lock._at_fork_reinit()  # noqa: F821


def _is_alone(threading: "ModuleType") -> bool:
    """Report whether threading knows this thread only, and none that has ended."""
    try:
        return (
            [*threading._active] == [_thread.get_ident()]
            and len(threading._dangling) == 1
            and not threading._limbo
            and hasattr(threading._main_thread, "_native_id")
            and threading._after_fork.__code__.co_freevars == ()
        )
    except AttributeError:
        return False  # it is not Python's own


def _is_usual(logging: "ModuleType") -> bool:
    """Report whether all handlers have a lock, and nothing besides, to be made anew."""
    usual = logging.Handler, logging.NullHandler
    try:
        methods = [kind._at_fork_reinit for kind in usual]
        return (
            all(type(one)._at_fork_reinit in methods for one in logging._at_fork_reinit_lock_weakset)
            and logging._after_at_fork_child_reinit_locks.__code__.co_freevars == ()
        )
    except AttributeError:
        return False
