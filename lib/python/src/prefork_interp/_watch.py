"""Watch the environment while setup of an unchanged script runs.

What a module computes from a variable of the request would be the same for all
requests. So a script whose setup looks at one, or at all, must not be warm.
docs/protocol.md, "The automatic fork point".
"""

import os
import sys

from ._places import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

_OF_REQUEST = frozenset(
    """AUTH_TYPE CONTENT_LENGTH CONTENT_TYPE DOCUMENT_ROOT HTTPS PATH_INFO PATH_TRANSLATED
    QUERY_STRING REQUEST_METHOD REQUEST_SCHEME REQUEST_URI SCRIPT_FILENAME SCRIPT_NAME""".split()
)
_PREFIXES = ("HTTP_", "REMOTE_", "SERVER_")

# Files of Python that pass on what others ask; since 3.11 they may be frozen.
_LIBRARY = os.path.dirname(os.__file__)
_BETWEEN = (
    __file__,
    os.__file__,
    _LIBRARY + "/_collections_abc.py",
    "<frozen os>",
    "<frozen _collections_abc>",
)

# It copies the environment when it is loaded; _executor has it copy the request's again.
_COPIES_AGAIN = _LIBRARY + "/wsgiref/handlers.py"


class _Watched(os._Environ):
    """The class of os.environ during setup: it tells who looks.

    Nothing else is different, and the object is the same: modules that keep a
    reference to os.environ see the request's values through it later.
    """

    def __getitem__(self, key):
        _look(key, "reads")
        return super().__getitem__(key)

    def __setitem__(self, key, value):
        _look(key, "writes")
        super().__setitem__(key, value)

    def __delitem__(self, key):
        _look(key, "writes")
        super().__delitem__(key)

    def __iter__(self):
        _look_at_all()
        return super().__iter__()

    def __repr__(self):
        _look_at_all()
        return super().__repr__()


class Watch:
    """A watch over os.environ, from its making to :meth:`end`."""

    # Why the script must not be warm; the first reason is kept.
    reason: "Optional[str]" = None

    def __init__(self):
        """Begin to watch."""
        Watch.reason = None
        self._watched = (os.environ, os.environb)
        self._before = dict(os.environ._data)
        for mapping in self._watched:
            mapping.__class__ = _Watched

    def end(self) -> "dict[bytes, Optional[bytes]]":
        """Leave nothing of the watch; return what setup has changed, None for what it has removed."""
        for mapping in self._watched:
            mapping.__class__ = os._Environ
        now = self._watched[0]._data
        changes: dict[bytes, Optional[bytes]] = {
            name: None for name in self._before if name not in now
        }
        for name, value in now.items():
            if self._before.get(name) != value:
                changes[name] = value
        return changes


def _look(key: object, how: str) -> None:
    if Watch.reason is not None or not isinstance(key, (str, bytes)):
        return
    name = os.fsdecode(key)
    if of_request(name):
        _give_reason(f"setup {how} {name} of the environment")


def of_request(name: str) -> bool:
    """Report whether a variable belongs to a request."""
    if name == "SERVER_SOFTWARE":
        return False
    return name in _OF_REQUEST or name.startswith(_PREFIXES)


def _look_at_all() -> None:
    if Watch.reason is None:
        _give_reason("setup lists the whole environment")


def _give_reason(what: str) -> None:
    frame = sys._getframe(1)
    while frame.f_code.co_filename in _BETWEEN:
        frame = frame.f_back
    if frame.f_code.co_filename != _COPIES_AGAIN:
        Watch.reason = f"{what} at {caller(_BETWEEN)}"
