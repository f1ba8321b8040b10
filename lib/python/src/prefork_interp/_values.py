"""What an expression at the top of a script will be, without running the script.

Only what names a place is understood: constants, ``__file__``, functions of
os.path, pathlib, ``+``, f-strings, and names that stand for such an expression.
These have no effect and the same value in setup as in each request.
"""

import _ast
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Callable, Union

    Value = Union[str, int, Path]

_FUNCTIONS = {
    "os.fspath": os.fspath,
    "os.getcwd": os.getcwd,
    "os.path.abspath": os.path.abspath,
    "os.path.basename": os.path.basename,
    "os.path.dirname": os.path.dirname,
    "os.path.join": os.path.join,
    "os.path.normpath": os.path.normpath,
    "os.path.realpath": os.path.realpath,
    "str": str,
}
_CONSTANTS = {"os.curdir": os.curdir, "os.pardir": os.pardir, "os.sep": os.sep, "os.path.sep": os.sep}
_METHODS = ("absolute", "joinpath", "resolve")  # of a Path


class Unknown(Exception):
    """An expression is none of those that are understood."""


class Values:
    """The values of the names that a script has given to such expressions so far."""

    def __init__(self, script: str, meaning: "Callable[[str], str]"):
        """Know ``__file__`` and nothing else.

        :param meaning: tells ``os.path`` for what means it in this script, "" for what was never imported.
        """
        self._names: "dict[str, Value]" = {"__file__": script}
        self._meaning_of_import = meaning
        self._rebound: set[str] = set()  # names that are something else than an import

    def assign(self, name: str, node: _ast.expr) -> None:
        """Take note of ``name = node``. Unknown: nothing is known of the name any more."""
        self.forget(name)
        self._names[name] = self.of(node)

    def forget(self, name: str) -> None:
        """Take note that a name has become something that is not known."""
        self._names.pop(name, None)
        self._rebound.add(name)

    def imported(self, name: str) -> None:
        """Take note that a name is what has just been imported."""
        self._names.pop(name, None)
        self._rebound.discard(name)

    def meaning(self, node: _ast.AST) -> str:
        """Return ``os.path`` for an expression that means it; "" for any other."""
        name = text(node)
        if name.partition(".")[0] in self._rebound:
            return ""
        return self._meaning_of_import(name) or (name if name == "str" else "")

    def of_list(self, node: _ast.AST) -> "list[str]":
        """Return the strings that a list or tuple will have. Unknown: it may have others."""
        if not isinstance(node, (_ast.List, _ast.Tuple)):
            raise Unknown
        return [self.of_string(element) for element in node.elts]

    def of_string(self, node: _ast.AST) -> str:
        """Return the string that an expression will be. Unknown: it may be something else."""
        value = self.of(node)
        if not isinstance(value, str):
            raise Unknown
        return value

    def of(self, node: _ast.AST) -> "Value":
        """Return what an expression will be. Unknown: that cannot be told."""
        try:
            value = self._of(node)
        except Exception:  # the script will see it, if it gets there
            raise Unknown from None
        if not isinstance(value, (str, int, os.PathLike)):
            raise Unknown
        return value

    def _of(self, node: _ast.AST) -> object:
        if isinstance(node, _ast.Constant):
            return node.value
        if isinstance(node, _ast.Name):
            return self._names[node.id]
        if isinstance(node, _ast.JoinedStr):
            return "".join(map(self._part, node.values))
        if isinstance(node, _ast.BinOp):
            left, right = self.of(node.left), self.of(node.right)
            if isinstance(node.op, _ast.Add) and isinstance(left, str):
                return left + right
            if isinstance(node.op, _ast.Div):
                return left / right
        if isinstance(node, _ast.Attribute):
            meant = self.meaning(node)
            return _CONSTANTS[meant] if meant else self._path(node).parent
        if isinstance(node, _ast.Subscript) and node.value.attr == "parents":
            return self._path(node.value).parents[self.of(node.slice)]
        if isinstance(node, _ast.Call) and not node.keywords:
            return self._function(node.func)(*map(self.of, node.args))
        raise Unknown

    def _part(self, node: _ast.AST) -> str:
        if not isinstance(node, _ast.FormattedValue):
            return self.of_string(node)
        if node.conversion != -1 or node.format_spec:
            raise Unknown
        return format(self.of(node.value))

    def _path(self, node: _ast.Attribute) -> "Path":
        path = self.of(node.value)
        if node.attr not in ("parent", "parents", *_METHODS) or isinstance(path, (str, int)):
            raise Unknown
        return path

    def _function(self, node: _ast.AST) -> "Callable":
        meant = self.meaning(node)
        if meant == "pathlib.Path":
            return sys.modules["pathlib"].Path
        if meant:
            return _FUNCTIONS[meant]
        if node.attr not in _METHODS:
            raise Unknown
        return getattr(self._path(node), node.attr)


def text(node: _ast.AST) -> str:
    """Return an expression that is a dotted name as text; "" for any other."""
    if isinstance(node, _ast.Name):
        return node.id
    if isinstance(node, _ast.Attribute):
        owner = text(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""
