"""Old CGI scripts, served warm: the part that lives in a Python script.

A launcher starts the script once. The script loads its modules and says that
its initialisation is complete; from there on each request is a fresh process,
forked from what has been loaded::

    #!/usr/bin/python3
    import my_slow_modules
    from prefork_interp import prefork_initialisation_complete

    prefork_initialisation_complete()     # returns once per request

    print("Content-Type: text/plain\\n")

What runs where, and which file here has it::

    launcher -- exec --> SETUP      the script's top             __main__, _launch
                           |        fork point                   _forkpoint
                           v
                         SERVER     forks, and nothing else      _native  or  _v1
                           | fork
                           v
                         EXECUTOR   one request, then it ends    _executor, _requests

The launcher offers itself in the environment variable PREFORK_INTERP (the
handover, ``_handover``). Without it the script runs standalone: every function
here returns at once and changes nothing. What crosses between launcher and
library is specified in docs/protocol.md; section names in the docstrings of
this package are of that document.

With an automatic fork point the script needs no call at all: the launcher runs
``__main__`` of this package, which loads what the script imports
(``_automatic``, ``_imports``) and serves the whole script.

A script that can serve several requests in one process says so by a loop::

    while prefork_interp.accept():
        print("Content-Type: text/plain\\n")

What a script imports is this file only. Everything else is loaded when there is
a launcher, and then the part that is needed.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, Optional, TypeVar, Union

    from ._handover import Handover
    from ._requests import Requests

    Path = Union[str, bytes, os.PathLike]
    Hook = TypeVar("Hook", bound=Callable[[], object])

__version__ = "0.1.0"
__all__ = [
    "accept",
    "after_fork",
    "before_fork",
    "extend",
    "prefork_autoreload_also_check",
    "prefork_initialisation_complete",
]

# What the launcher offers; None standalone, and once the fork point is reached.
_handover: "Optional[Handover]" = None

# Where the script may ask for more time; empty standalone.
_bell = ""

# What this executor may still serve with accept; None: nothing but this request.
_serving: "Optional[Requests]" = None
_accepted = False

_before: "list[Callable[[], object]]" = []
_after: "list[Callable[[], object]]" = []
_also_check: "list[str]" = []


def prefork_initialisation_complete(
    *,
    max_servers: "Optional[int]" = None,
    idle_timeout: float = 1_000_000,
    autoreload_inc: bool = True,
    autoreload_extra: "Iterable[Path]" = (),
    max_errors: int = 100,
    log_facility: str = "LOG_USER",
) -> None:
    """Make the script a server here; return in a fresh process for each request.

    On return, descriptors 0, 1 and 2, ``os.environ`` and ``sys.argv[1:]`` are
    those of the request. All else is as it was before the call. Standalone, and
    when it is called again, it does nothing. (docs/protocol.md, "v1" and "What
    an executor does, in this order".)

    :param max_servers: so many requests at once; more have to wait. Negative:
        no limit. None: 4 under prefork-interp, and what its configuration says
        under a launcher that speaks the native dialect.
    :param idle_timeout: after so many seconds without a request the server
        ends. Negative: never. The default is some eleven days.
    :param autoreload_inc: false: a change of a loaded module does not replace
        the server. The script itself is always watched.
    :param autoreload_extra: more files whose change replaces the server.
    :param max_errors: when accepting has failed so many times in a row, the
        server ends.
    :param log_facility: of syslog, for what the server has to say ("LOG_USER",
        "daemon"). Empty: it says nothing.
    :raises ValueError: max_servers is 0.
    :raises SystemExit: the launcher has gone, or its handover makes no sense.

    Under the native dialect ``idle_timeout``, ``max_errors`` and
    ``log_facility`` have no effect: the launcher's own limits and log count.
    """
    global _handover, _serving
    if max_servers == 0:
        raise ValueError("max_servers must not be 0; for no limit it is negative")
    if _handover is None:
        return
    handover, _handover = _handover, None
    _watch_too(autoreload_extra)
    handover.preload(handover.note)
    for function in _before:
        function()
    if handover.native:
        from ._native import Server

        _serving = Server(handover.call, max_servers, autoreload_inc, _accepted).serve(handover)
    else:
        from ._v1 import Server

        server = Server(
            handover,
            4 if max_servers is None else max_servers,
            idle_timeout,
            autoreload_inc,
            max_errors,
            log_facility,
        )
        server.serve(handover)


def accept(**options) -> bool:
    """Wait for a request; report whether there is one: ``while prefork_interp.accept(): ...``.

    The first call is :func:`prefork_initialisation_complete`, and returns true. If
    the launcher lets an executor serve several requests, then each later call ends
    the request at hand, with status 0, and waits for the next one in the same
    process. It returns false when there will be none: the script goes on behind
    the loop, and ends. (docs/protocol.md, "Native".)

    What is put back between two requests is descriptors 0, 1 and 2, ``os.environ``,
    ``sys.argv[1:]``, what ``sys.stdin`` has read ahead, timers, umask and the current
    directory. All else is left as the request has left it. An exception that
    leaves the loop ends the process as ever.

    Standalone, under prefork-interp, and where the launcher grants one request to a
    process, the second call returns false.

    :param options: of :func:`prefork_initialisation_complete`; the first call's count.
    """
    global _accepted
    if not _accepted:
        _accepted = True
        prefork_initialisation_complete(**options)
        return True
    return _serving is not None and _serving.next(0)


def prefork_autoreload_also_check(*files: "Path") -> None:
    """Let a change of one of these files replace the server, as one of a module does.

    For what setup reads besides modules: configuration, templates. A file need
    not exist; relative names are completed with the current directory. It may
    be called before the fork point and, under the native dialect, in a request
    too. (docs/protocol.md, "v1", step 4; "Native", message ``file``.)

    :param files: their names.
    :raises TypeError: something is not a file name.
    """
    _watch_too(files)


def extend(seconds: float) -> bool:
    """Ask the launcher for so many more seconds from now.

    Until then no limit on its time ends the script (prefork-cgi:
    ``first_byte_timeout``, ``silence_timeout``, ``run_timeout``). It may be called
    again and again, and by a child of the script that is in its process group.
    (docs/protocol.md, "More time".)

    :param seconds: how many; a fraction is allowed.
    :returns: whether that is granted: the administrator sets a limit,
        ``max_extension``. False standalone and under v1.
    """
    if not _bell or not seconds > 0:
        return False
    from ._extend import ask

    return ask(_bell, seconds)


def before_fork(function: "Hook") -> "Hook":
    """Have a function called once, when the fork point is reached.

    It runs before the first fork: the place to close what executors must not
    share, such as a connection to a database. What it raises leaves
    :func:`prefork_initialisation_complete`, and setup has failed; with an
    automatic fork point the script is then not served warm. Standalone it is
    never called.

    :param function: takes nothing; what it returns is ignored.
    :returns: the function, so that this is a decorator too.
    """
    _before.append(function)
    return function


def after_fork(function: "Hook") -> "Hook":
    """Have a function called in each executor, before the script goes on.

    Descriptors, environment and arguments are the request's by then. Functions
    are called in the order of registration; what one raises leaves
    :func:`prefork_initialisation_complete` in that executor. Standalone it is
    never called. (docs/protocol.md, "What an executor does", step 8.)

    :param function: takes nothing; what it returns is ignored.
    :returns: the function, so that this is a decorator too.
    """
    _after.append(function)
    return function


def _watch_too(files: "Iterable[Path]") -> None:
    _also_check.extend(os.path.abspath(os.fsdecode(name)) for name in files)


if "PREFORK_INTERP" in os.environ:
    # At once and not at the fork point: programs that setup starts must not take
    # the handover for their own.
    from ._handover import take

    _handover = take()
    _bell = _handover.extend
