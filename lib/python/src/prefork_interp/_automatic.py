"""Serve a script that knows nothing of this: the automatic fork point.

::

    SETUP      read and parse the script; import what its top imports; compile
      |        cold, and why, if that fails or looks at the request
    SERVER     forks
      |
    EXECUTOR   serve() returns the code, which _launch runs as __main__, or
               _rerun with ``reuse on``

docs/protocol.md, "The automatic fork point".
"""

import _ast

import prefork_interp

from ._imports import Failed, Walk
from ._native import Server
from ._source import read
from ._watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Optional

    from ._rerun import Rerun


# What executors do not need any more: to destroy it would copy the memory of all its parts.
_kept: tuple = ()


def serve(script: str) -> "tuple[CodeType, Optional[Rerun]]":
    """Bring setup to its fork point and serve; return, in each executor, the script's code.

    And what runs it for all requests but the last, if processes are reused.

    The calls that the script itself may make are no-ops from here on.

    :param script: absolute name.
    """
    handover, prefork_interp._handover = prefork_interp._handover, None
    server = Server(handover.call, None, True)
    watch = Watch()
    try:
        code = _load(script)
    except Failed as error:
        server.cold(f"an import fails: {error}")
    except SyntaxError as error:
        server.cold(f"it does not compile: {error.msg} at {error.filename}:{error.lineno}")
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        server.cold(f"it does not compile: {type(error).__name__}: {error}")
    handover.preload(handover.note)
    try:
        for function in prefork_interp._before:
            function()
    except BaseException as error:
        server.cold(f"a function of before_fork fails: {type(error).__name__}: {error}")
    server.changes = watch.end()
    if Watch.reason is not None:
        server.cold(Watch.reason)
    global _kept
    _kept = server, handover, watch, code
    requests = server.serve(handover)
    if server.rerun is not None:
        server.rerun.requests = requests
    return code, server.rerun


def _load(script: str) -> "CodeType":
    """Import what the script imports, and return its code."""
    tree = compile(read(script), script, "exec", _ast.PyCF_ONLY_AST, dont_inherit=True)
    # The whole of it before any import runs: an error that only the compiler sees
    # must not come after a module has done something.
    code = compile(tree, script, "exec", dont_inherit=True)
    walk = Walk(script)
    walk.run(tree.body)
    walk.end()
    return code
