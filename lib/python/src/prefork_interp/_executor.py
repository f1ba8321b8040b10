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
from posix import isatty, putenv, unsetenv

import prefork_interp

from ._forkpoint import ForkPoint
from ._streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Optional

    Environment = dict[bytes, bytes]
    # What setup has changed in its environment; None: taken out.
    Changes = dict[bytes, Optional[bytes]]


def prepare(point: ForkPoint, files: "list[int]") -> None:
    """Give the process its descriptors, the script's signal handlers, and random numbers of its own.

    :param files: to become 0, 1 and 2; they are closed.
    """
    point.take_descriptors(files)
    point.open_anew()
    if isatty(1) and hasattr(sys.__stdout__, "reconfigure"):
        sys.__stdout__.reconfigure(line_buffering=True)
    point.restore_signals()
    # The module random seeds itself anew in a forked process (register_at_fork). What
    # a script has made with random.Random() is its own business.
    if point.generators is not None:
        point.generators.seed()


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
    _take_environment(environment, changes)
    if point.gateway is not None:
        # It has copied setup's when it was loaded. Every script that serves WSGI by CGI loads it.
        point.gateway.BaseHandler.os_environ = point.gateway.read_environ()
    # In place: modules may hold the lists.
    sys.argv[1:] = words = list(map(os.fsdecode, arguments))
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[point.lead :] = words
    point.restore_timers()


def give_up(error: BaseException) -> "NoReturn":
    """End an executor that cannot begin with a request: nothing of the script may run in it."""
    os.write(2, f"prefork_interp: cannot begin: {type(error).__name__}: {error}\n".encode())
    os._exit(127)


def renew_stdin() -> None:
    """Have sys.stdin forget what it knows of another descriptor.

    It is the same object as before, since modules may hold it; but what was read
    ahead is not the request's, and whether it can seek is asked only once.
    """
    try:
        Stream(0).renew()
    except (AttributeError, ValueError, TypeError, OSError):
        pass  # setup has closed or replaced it; then it knows what it does


def _take_environment(environment: "Environment", changes: "Changes") -> None:
    """Make the environment that of the request, but for what setup has changed.

    os.environ stays the object it is, for modules that hold it.
    """
    for name, value in changes.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    # What os.environ and os.environb are views of. Their own methods would decode
    # and encode each name, and many variables are setup's already.
    present = posix.environ
    for name in present:
        if name not in environment:
            unsetenv(name)
    for name, value in environment.items():
        if name and present.get(name) != value:  # putenv takes no empty name
            putenv(name, value)
    present.clear()
    present.update(environment)
