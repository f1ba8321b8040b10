"""Run a script as ``python3 SCRIPT argument ...`` would.

The launcher's command line names ``__main__`` of this package before the script.
All that the script could see of that is put right here: the arguments, the
search path, the module ``__main__``, and what is printed when an exception
leaves the script. What stays visible is two more frames at the far end of the
stack. docs/protocol.md, "The automatic fork point".
"""

import os
import sys

import prefork_interp

from . import _end
from ._source import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, TracebackType
    from typing import Callable, Optional

    from ._rerun import Rerun

_FOLDER = os.path.dirname(__file__)

# What the interpreter itself puts into __main__; the rest is removed.
_ATTRIBUTES = frozenset(
    ("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__annotations__")
    + ("__builtins__", "__file__", "__cached__")
)


def main() -> None:
    """Run the script that the command line names; at the fork point it asks for, or cold.

    Returns when the script has come to its end. What leaves the script is raised.
    """
    script = _hide_command_line()
    namespace = _clean_main(script)
    try:
        code, rerun = _code(script)
        if rerun is not None:
            rerun.serve(code)
        exec(code, namespace)
        _end.status = 0
        _end.hurry()
    except SystemExit as error:
        _end.status = _end.status_of(error)
        if error.code is None or isinstance(error.code, int):
            _end.hurry()  # nothing has to be printed
        raise
    except BaseException as error:
        # What the interpreter does about an interrupt is left to it.
        _end.status = None if isinstance(error, KeyboardInterrupt) else 1
        _cut_what_is_shown()
        raise


def _hide_command_line() -> str:
    """Take our own name out of arguments and search path; return the script's absolute name."""
    if len(sys.argv) < 2:
        raise SystemExit("prefork_interp: there is no script on the command line")
    ours = sys.argv.pop(0)
    original = getattr(sys, "orig_argv", None)  # since Python 3.10
    if original is not None:
        del original[len(original) - len(sys.argv) - 1]
    script = sys.argv[0]
    if not sys.flags.isolated and not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(script))
    if not script.startswith("/"):
        script = os.getcwd() + "/" + script
    # The interpreter asks whether the script is an archive, and keeps the answer.
    if sys.path_importer_cache.pop(os.path.abspath(ours), 0) is None:
        sys.path_importer_cache[script] = None
    return script


def _clean_main(script: str) -> dict:
    """Make ``__main__`` what it is before the first statement of a script; return its namespace.

    It stays the module that the interpreter has made, which is the one whose
    ``__file__`` it removes at the end.
    """
    namespace = sys.modules["__main__"].__dict__
    for name in list(namespace):
        if name not in _ATTRIBUTES:
            del namespace[name]
    namespace["__doc__"] = None
    if namespace.get("__annotations__"):
        namespace["__annotations__"].clear()
    namespace["__loader__"] = type(namespace["__loader__"])("__main__", script)
    namespace["__file__"] = script
    return namespace


def _code(script: str) -> "tuple[CodeType, Optional[Rerun]]":
    """Return the script's code: at once, or in each executor if the fork point is automatic.

    And what runs it for all requests but the last, if there may be several.
    """
    handover = prefork_interp._handover
    if handover is not None and handover.native and handover.automatic:
        from ._automatic import serve

        return serve(script)
    # Nothing is in there but what this package itself has looked up.
    sys.path_importer_cache.pop(_FOLDER, None)
    try:
        source = read(script)
    except OSError as error:
        program = getattr(sys, "orig_argv", [sys.executable])[0]
        print(
            f"{program}: can't open file {script!r}: [Errno {error.errno}] {error.strerror}",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    return compile(source, script, "exec", dont_inherit=True), None


# ---- what is printed when an exception leaves the script ----


def _cut_what_is_shown() -> None:
    """Have the interpreter print the exception that is about to leave without our frames.

    The interpreter calls sys.excepthook when the exception has left all frames; it
    also decides the exit status and whether to end by SIGINT. So it must get the
    exception itself, and the hook is replaced at the last moment.
    """
    hook = sys.excepthook

    def last(_kind: type, value: BaseException, _traceback: "Optional[TracebackType]") -> None:
        sys.excepthook = hook
        try:
            show(hook, value)
        except SystemExit as error:
            _end.status = _end.status_of(error)
            raise

    sys.excepthook = last


def show(hook: "Callable", value: BaseException) -> None:
    """Have a hook print an exception without our frames, as the interpreter does. SystemExit: the hook exits."""
    traceback = _without_ours(value.__traceback__)
    value.__traceback__ = sys.last_traceback = traceback
    try:
        hook(type(value), value, traceback)
    except SystemExit:
        raise
    except BaseException as error:
        _show_both(error, value)


def _without_ours(traceback: "Optional[TracebackType]") -> "Optional[TracebackType]":
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(_FOLDER + "/"):
            break
        traceback = traceback.tb_next
    return traceback


def _show_both(error: BaseException, value: BaseException) -> None:
    """Print what the interpreter prints when the script's own excepthook fails."""
    error.__traceback__ = _without_ours(error.__traceback__)
    error.__context__ = None
    print("Error in sys.excepthook:", file=sys.stderr)
    sys.__excepthook__(type(error), error, error.__traceback__)
    print("\nOriginal exception was:", file=sys.stderr)
    sys.__excepthook__(type(value), value, value.__traceback__)
