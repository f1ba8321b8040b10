"""Spare executors what modules have the interpreter do before and after every fork.

threading and logging make their locks anew there, since a thread that does not
exist any more may hold one. If setup has one thread only, then none does. And
random seeds its generator, which can be had for less::

    start       the interpreter's lists of such functions are found
    server      those that are known are taken out
    executor    the lists are as before, for what the script itself forks

The interpreter does not hand these lists out; but the collector knows them, and
while they are young it has little else to show.
"""

import _thread
import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Thread
    from types import ModuleType
    from typing import Callable, Optional

    Functions = list[Callable[[], object]]

# What they do is known up to here.
_KNOWN = sys.version_info < (3, 14)

# The interpreter's: before a fork, in the parent after it, in the child.
_lists: "list[Functions]" = []


def find() -> None:
    """Find the interpreter's lists, before there is anything in them."""
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
    young = [one for one in gc.get_objects(0) if type(one) is list and len(one) == 1]
    for function in (_before, _in_parent, _in_child):
        _lists.extend(one for one in young if one[0] is function)
    for one in _lists:
        one.clear()


def _before() -> None:
    """Do nothing, nor do the others: a list that was there already keeps its own."""


def _in_parent() -> None:
    pass


def _in_child() -> None:
    pass


class Hooks:
    """What would run in each executor. The server makes one, as the last of all, and each executor restores it."""

    def __init__(self):
        """Take out of the lists what does not have to be done, or is done here."""
        self._main: "Optional[Thread]" = None
        self._seed: "Optional[Callable[[], object]]" = None
        self._lists: "list[tuple[Functions, Functions]]" = []
        if not _KNOWN or _thread._count():
            return
        known = [*self._threading(), *self._logging(), *self._random()]
        for functions in _lists:
            if any(one in known for one in functions):
                self._lists.append((functions, functions[:]))
                functions[:] = [one for one in functions if one not in known]

    def restore(self) -> None:
        """Do what is left to do, and let the lists be what they were."""
        for functions, before in self._lists:
            functions[:] = before
        if self._seed is not None:
            self._seed()
        if self._main is not None:
            self._main._native_id = _thread.get_native_id()  # the one thing that does change

    def _threading(self) -> list:
        threading = sys.modules.get("threading")
        if threading is None or not _is_alone(threading):
            return []
        self._main = threading._main_thread
        return [threading._after_fork]

    def _logging(self) -> list:
        logging = sys.modules.get("logging")
        if logging is None or not _is_usual(logging):
            return []
        return [logging._acquireLock, logging._releaseLock, logging._after_at_fork_child_reinit_locks]

    def _random(self) -> list:
        random = sys.modules.get("random")
        if random is None or not _is_own(random):
            return []
        random._inst.gauss_next = None  # as each executor would
        self._seed = random._random.Random.seed.__get__(random._inst)
        return [random._inst.seed]


def _is_alone(threading: "ModuleType") -> bool:
    """Report whether threading knows this thread only, and none that has ended."""
    try:
        return (
            [*threading._active] == [_thread.get_ident()]
            and len(threading._dangling) == 1
            and not threading._limbo
            and hasattr(threading._main_thread, "_native_id")
            and callable(threading._after_fork)
        )
    except AttributeError:
        return False  # it is not Python's own


def _is_usual(logging: "ModuleType") -> bool:
    """Report whether all handlers have a lock, and nothing besides, to be made anew."""
    usual = logging.Handler, logging.NullHandler
    try:
        methods = [kind._at_fork_reinit for kind in usual]
        return all(type(one)._at_fork_reinit in methods for one in logging._at_fork_reinit_lock_weakset)
    except AttributeError:
        return False


def _is_own(random: "ModuleType") -> bool:
    """Report whether the module is Python's own, with the generator that it has made."""
    try:
        return type(random._inst) is random.Random and random.Random.__base__ is random._random.Random
    except AttributeError:
        return False
