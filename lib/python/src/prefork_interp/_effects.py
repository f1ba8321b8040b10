"""What the top of a script does to the search path and the environment before it imports.

Such a statement is put in force for the imports that follow it in setup, and taken
back before the fork point. The executor then runs it as ever, and finds what it
imports loaded::

    sys.path.insert(0, '/srv/lib')         in force
    os.environ['TZ'] = 'UTC'               in force
    import mine                            imported
    fork point                             both are taken back
"""

import _ast
import os
import sys

from ._values import Unknown, Values
from ._watch import of_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


class Overtaken(Exception):
    """A module has changed the same thing, so that the script's statement cannot be taken back."""


class Effects:
    """The effects of one script that are in force."""

    def __init__(self, values: Values):
        """Begin with none.

        :param values: what is known of the script's names.
        """
        self._values = values
        # What was put into sys.path, and where; None: at the end.
        self._entries: "list[tuple[Optional[int], str]]" = []
        # Name of a variable, what it was before, and what it is now.
        self._variables: "list[tuple[str, Optional[str], str]]" = []

    def put_in_force(self, statement: _ast.stmt) -> bool:
        """Put a statement in force if it is understood; report whether it is."""
        try:
            if isinstance(statement, _ast.Expr) and isinstance(statement.value, _ast.Call):
                return self._call(statement.value)
            if isinstance(statement, _ast.AugAssign):
                return self._add(statement)
            if isinstance(statement, _ast.Assign) and len(statement.targets) == 1:
                return self._assign(statement.targets[0], statement.value)
        except Unknown:
            pass
        return False

    def take_back(self) -> None:
        """Leave nothing in force.

        :raises Overtaken: run again by the script, the statements would not make it what it is now.
        """
        now = list(sys.path)
        for index, entry in reversed(self._entries):
            if entry not in sys.path:
                raise Overtaken("sys.path")
            first = sys.path.index(entry)
            if index is None:
                first = len(sys.path) - 1 - sys.path[::-1].index(entry)
            del sys.path[first]
        again = list(sys.path)
        for index, entry in self._entries:
            again.insert(len(again) if index is None else index, entry)
        if again != now:
            raise Overtaken("sys.path")
        for name, before, value in reversed(self._variables):
            if os.environ.get(name) != value:
                raise Overtaken(f"{name} in the environment")
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before

    # ---- statements ----

    def _call(self, call: _ast.Call) -> bool:
        if call.keywords:
            return False
        owner, _, method = self._values.meaning(call.func).rpartition(".")
        arguments = call.args
        if (owner, method, len(arguments)) == ("sys.path", "insert", 2):
            index = self._values.of(arguments[0])
            if not isinstance(index, int):
                return False
            self._insert(index, [self._values.of_string(arguments[1])])
        elif (owner, method, len(arguments)) == ("sys.path", "append", 1):
            self._insert(None, [self._values.of_string(arguments[0])])
        elif (owner, method, len(arguments)) == ("sys.path", "extend", 1):
            self._insert(None, self._values.of_list(arguments[0]))
        elif (owner, method, len(arguments)) == ("site", "addsitedir", 1):
            return self._add_site(self._values.of_string(arguments[0]))
        elif (owner, method, len(arguments)) == ("os.environ", "setdefault", 2):
            return self._set(*map(self._values.of_string, arguments), default=True)
        else:
            return False
        return True

    def _add(self, statement: _ast.AugAssign) -> bool:
        """``sys.path += [...]``"""
        if not isinstance(statement.op, _ast.Add) or self._values.meaning(statement.target) != "sys.path":
            return False
        self._insert(None, self._values.of_list(statement.value))
        return True

    def _assign(self, target: _ast.expr, value: _ast.expr) -> bool:
        """``NAME = ...``, ``sys.path[0:0] = [...]``, ``os.environ[...] = ...``"""
        if isinstance(target, _ast.Name):
            self._values.assign(target.id, value)
            return True
        if not isinstance(target, _ast.Subscript):
            return False
        owner = self._values.meaning(target.value)
        if owner == "os.environ":
            return self._set(self._values.of_string(target.slice), self._values.of_string(value))
        if owner == "sys.path" and _is_front(target.slice):
            self._insert(0, self._values.of_list(value))
            return True
        return False

    # ---- effects ----

    def _insert(self, index: "Optional[int]", entries: "list[str]") -> None:
        for offset, entry in enumerate(entries):
            place = None if index is None else index + offset
            sys.path.insert(len(sys.path) if place is None else place, entry)
            self._entries.append((place, entry))

    def _add_site(self, folder: str) -> bool:
        """Do what site.addsitedir does, unless a .pth file there runs code: that must not run twice."""
        if _runs_code(folder):
            return False
        before = list(sys.path)
        sys.modules["site"].addsitedir(folder)
        added = sys.path[len(before) :]
        self._entries += [(None, entry) for entry in added]
        return True

    def _set(self, name: str, value: str, default: bool = False) -> bool:
        if of_request(name):
            return False
        before = os.environ.get(name)
        if not (default and before is not None):
            os.environ[name] = value
            self._variables.append((name, before, value))
        return True


def _is_front(node: _ast.AST) -> bool:
    """Report whether a subscript is ``[:0]`` or ``[0:0]``."""
    if not isinstance(node, _ast.Slice) or node.step is not None:
        return False
    bounds = [getattr(bound, "value", bound) for bound in (node.lower, node.upper)]
    return bounds in ([None, 0], [0, 0])


def _runs_code(folder: str) -> bool:
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".pth")]
    except OSError:
        return False  # nothing is there
    for name in names:
        try:
            with open(os.path.join(folder, name), "rb") as file:
                if any(line.startswith((b"import ", b"import\t")) for line in file):
                    return True
        except OSError:
            pass  # site passes over it as well
    return False
