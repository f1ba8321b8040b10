"""What makes a forked process the script's own: steps 2 to 8 of an executor.

::

    at fork            descriptors, signals, random numbers         prepare()
    request has come   stdin, environment, arguments, timers        take()
    the first has      functions of after_fork                      begin()

docs/protocol.md, "What an executor does, in this order".
"""

import os
import posix
import sys

import prefork_interp

from ._forkpoint import ForkPoint
from ._streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Optional

    Environment = dict[bytes, bytes]
    # What setup has changed in its environment; None: taken out.
    Changes = dict[bytes, Optional[bytes]]

# How many words of sys.orig_argv come before the arguments.
_lead: "Optional[int]" = None


def prepare(point: ForkPoint, files: "list[int]") -> None:
    """Give the process its descriptors, the script's signal handlers, and random numbers of its own.

    :param files: to become 0, 1 and 2; they are closed.
    """
    point.take_descriptors(files)
    point.open_anew()
    if os.isatty(1) and hasattr(sys.__stdout__, "reconfigure"):
        sys.__stdout__.reconfigure(line_buffering=True)
    point.restore_signals()
    _reseed()


def begin() -> None:
    """Call the functions of after_fork; whatever comes next is the script's. What they raise is raised."""
    for function in prefork_interp._after:
        function()


def take(
    point: ForkPoint,
    environment: "Environment",
    arguments: "list[bytes]",
    changes: "Changes",
) -> None:
    """Take a request, whose descriptors are in place.

    Timers start here and not where signals are restored: an executor may have
    waited long for its request, and an alarm is about the script's time.
    """
    _renew_stdin()
    _take_environment(environment, changes)
    _copy_environment_again()
    _take_arguments([os.fsdecode(argument) for argument in arguments])
    point.restore_timers()


def give_up(error: BaseException) -> "NoReturn":
    """End an executor that cannot begin with a request: nothing of the script may run in it."""
    os.write(2, f"prefork_interp: cannot begin: {type(error).__name__}: {error}\n".encode())
    os._exit(127)


def _renew_stdin() -> None:
    """Have sys.stdin forget what it knows of another descriptor.

    It is the same object as before, since modules may hold it; but what was read
    ahead is not the request's, and whether it can seek is asked only once.
    """
    try:
        Stream(0).renew()
    except (AttributeError, ValueError, TypeError, OSError):
        pass  # setup has closed or replaced it; then it knows what it does


def _reseed() -> None:
    # The module random does so itself in a forked process (register_at_fork).
    # What a script has made with random.Random() is its own business.
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()


def _take_environment(environment: "Environment", changes: "Changes") -> None:
    """Make the environment that of the request, but for what setup has changed.

    os.environ stays the object it is, for modules that hold it.
    """
    wanted = dict(environment)
    for name, value in changes.items():
        if value is None:
            wanted.pop(name, None)
        else:
            wanted[name] = value
    # What os.environ and os.environb are views of. Their own methods would decode
    # and encode each name, and many variables are setup's already.
    present = posix.environ
    for name in present.keys() - wanted.keys():
        os.unsetenv(name)
    for name, value in wanted.items():
        if name and present.get(name) != value:  # putenv takes no empty name
            os.putenv(name, value)
    present.clear()
    present.update(wanted)


def _copy_environment_again() -> None:
    """Let wsgiref have the request's environment; it has copied setup's when it was loaded.

    Every script that serves WSGI by CGI loads it.
    """
    handlers = sys.modules.get("wsgiref.handlers")
    if handlers is not None:
        handlers.BaseHandler.os_environ = handlers.read_environ()


def _take_arguments(arguments: "list[str]") -> None:
    # In place: modules may hold the list.
    global _lead
    original = getattr(sys, "orig_argv", [])  # since Python 3.10
    if _lead is None:
        _lead = len(original) - max(len(sys.argv) - 1, 0)
    if original:
        original[_lead:] = arguments
    sys.argv[1:] = arguments
