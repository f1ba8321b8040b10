"""What makes a forked process the script's own: steps 2 to 8 of an executor.

::

    at fork            descriptors, signals, random numbers       prepare()
    request has come   environment, arguments, timers, hooks      begin()

docs/protocol.md, "What an executor does, in this order".
"""

import os
import posix
import sys

import prefork_interp

from ._forkpoint import ForkPoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    Environment = dict[bytes, bytes]
    # What setup has changed in its environment; None: taken out.
    Changes = dict[bytes, Optional[bytes]]


def prepare(point: ForkPoint, files: "list[int]") -> None:
    """Give the process its descriptors, the script's signal handlers, and random numbers of its own.

    :param files: to become 0, 1 and 2; they are closed.
    """
    point.take_descriptors(files)
    _renew_streams()
    point.restore_signals()
    _reseed()


def begin(
    point: ForkPoint,
    environment: "Environment",
    arguments: "list[bytes]",
    changes: "Changes",
) -> None:
    """Take a request; whatever comes next is the script's.

    Timers start here and not where signals are restored: an executor may have
    waited long for its request, and an alarm is about the script's time.

    What a function of after_fork raises is raised.
    """
    _take_environment(environment, changes)
    _copy_environment_again()
    _take_arguments([os.fsdecode(argument) for argument in arguments])
    point.restore_timers()
    for function in prefork_interp._after:
        function()


def _renew_streams() -> None:
    """Have sys.stdin and sys.stdout forget what they know of setup's descriptors.

    They are the same objects as before, since modules may hold them; but whether
    it can seek is asked only once, and a file can where setup's pipe could not.
    """
    stdin = sys.__stdin__
    try:
        raw = type(stdin.buffer.raw)(0, "rb", closefd=False)
        raw.name = "<stdin>"
        stdin.buffer.__init__(raw)
        settings = stdin.line_buffering, stdin.write_through
        stdin.__init__(stdin.buffer, stdin.encoding, stdin.errors, "\n", *settings)
    except (AttributeError, ValueError, TypeError, OSError):
        pass  # setup has closed or replaced it; then it knows what it does
    if os.isatty(1) and hasattr(sys.__stdout__, "reconfigure"):
        sys.__stdout__.reconfigure(line_buffering=True)


def _reseed() -> None:
    # The module random does so itself in a forked process (register_at_fork).
    # What a script has made with random.Random() is its own business.
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()


def _take_environment(environment: "Environment", changes: "Changes") -> None:
    """Make the environment that of the request, but for what setup has changed.

    os.environ stays the object it is, for modules that hold it, and calls putenv.
    """
    wanted = dict(environment)
    for name, value in changes.items():
        if value is None:
            wanted.pop(name, None)
        else:
            wanted[name] = value
    present = os.environb
    for name in list(present):
        if name not in wanted:
            del present[name]
    for name, value in wanted.items():
        if name:  # putenv takes no empty name
            present[name] = value
    posix.environ.clear()
    posix.environ.update(wanted)


def _copy_environment_again() -> None:
    """Let wsgiref have the request's environment; it has copied setup's when it was loaded.

    Every script that serves WSGI by CGI loads it.
    """
    handlers = sys.modules.get("wsgiref.handlers")
    if handlers is not None:
        handlers.BaseHandler.os_environ = handlers.read_environ()


def _take_arguments(arguments: "list[str]") -> None:
    # In place: modules may hold the list.
    original = getattr(sys, "orig_argv", None)  # since Python 3.10
    if original is not None:
        original[len(original) - max(len(sys.argv) - 1, 0) :] = arguments
    sys.argv[1:] = arguments
