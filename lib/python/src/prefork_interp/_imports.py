"""Import in setup what the top of a script imports, and nothing else of it.

Statements are taken in order. An import runs, with the script's file name and line, in a
namespace that is thrown away; what it leaves is a loaded module. Statements that
plainly change the search path or the environment are in force for what follows
(``_effects``). All others are passed over without being run. So the walk must
stop where one that is passed over would change what a later import finds, such as
``sys.path.insert(0, find_it())``: those imports happen in the executor, as ever.
"""

import _ast

from ._effects import Effects, Overtaken
from ._values import Values
from ._values import text as _text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

# Names whose mention stops the walk.
_STOPS = frozenset(
    """os.chdir os.fchdir os.putenv os.unsetenv sys.dont_write_bytecode sys.meta_path
    sys.modules sys.path sys.path_hooks sys.path_importer_cache sys.pycache_prefix
    sys.setdlopenflags""".split()
)
_STOPPING_MODULES = ("importlib", "pkg_resources", "site")
_ENVIRONMENTS = ("os.environ", "os.environb")
_READING = frozenset(("copy", "get", "items", "keys", "values", "__contains__", "__getitem__"))

_IMPORTS = (_ast.Import, _ast.ImportFrom)
_DEFINITIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef)
_TRIES = tuple(getattr(_ast, name) for name in ("Try", "TryStar") if hasattr(_ast, name))


class Failed(Exception):
    """An import that the script does not expect to fail did; the text says which, why and where."""


class Walk:
    """A walk over the top level of one script."""

    def __init__(self, script: str):
        """Prepare to walk a script with this file name."""
        self._script = script
        # A namespace like that of the script, for relative imports and warnings.
        self._namespace = {"__name__": "__main__", "__package__": None, "__file__": script}
        # What a name of the script stands for: {"environ": "os.environ"}.
        self._meanings: dict[str, str] = {}
        # Functions and classes of the script that would stop the walk if they were used.
        self._dangerous: set[str] = set()
        self._values = Values(script, self._meaning)
        self._effects = Effects(self._values)

    def end(self) -> None:
        """Take back what was in force for the imports.

        :raises Failed: a module has changed the same, and the script would not find it as in a plain run.
        """
        try:
            self._effects.take_back()
        except Overtaken as error:
            raise Failed(f"a module and the script both change {error}") from None

    def run(self, body: "list[_ast.stmt]", guarded: bool = False) -> bool:
        """Walk over statements; report whether the walk may go on behind them.

        :param guarded: errors are the script's business: it is in a ``try`` or ``with``.
        :raises Failed: an import failed, unguarded, or wanted to exit.
        """
        for statement in body:
            if isinstance(statement, _IMPORTS):
                if not self._import(statement, guarded):
                    return True  # the rest of a try is not reached
            elif isinstance(statement, _DEFINITIONS):
                if self._stops(statement):
                    self._dangerous.add(statement.name)
                self._values.forget(statement.name)
                for part in _nodes(statement):
                    for name in part.names if isinstance(part, _ast.Global) else ():
                        self._values.forget(name)
            elif not self._effects.put_in_force(statement) and not self._pass(statement):
                return False
        return True

    def _pass(self, statement: _ast.stmt) -> bool:
        """Go into a ``try`` or ``with``, pass over others; report whether to go on behind."""
        if isinstance(statement, _ast.With):
            if any(map(self._stops, statement.items)):
                return False
            for item in statement.items:
                self._forget(item)
            return self.run(statement.body, guarded=True)
        if not isinstance(statement, _TRIES):
            self._forget(statement)
            return not self._stops(statement)
        if not self.run(statement.body, guarded=True):
            return False
        rest = statement.handlers + statement.orelse + statement.finalbody
        for part in rest:
            self._forget(part)
        return not any(map(self._stops, rest))

    def _import(self, statement: "_ast.Import | _ast.ImportFrom", guarded: bool) -> bool:
        self._note_names(statement)
        tree = _ast.Module([statement], [])
        before = dict(self._namespace)
        try:
            exec(compile(tree, self._script, "exec", dont_inherit=True), self._namespace)
        except Exception as error:
            if not guarded:
                raise Failed(self._describe(error, statement)) from None
            return False
        except BaseException as error:  # it exits, which no guard is meant for
            raise Failed(self._describe(error, statement)) from None
        for alias in statement.names:
            self._values.imported(alias.asname or alias.name.partition(".")[0])
        if statement.names[0].name == "*":
            for name, value in self._namespace.items():
                if before.get(name, self) is not value:
                    self._values.forget(name)
        return True

    def _describe(self, error: BaseException, statement: _ast.stmt) -> str:
        return f"{type(error).__name__}: {error} at {self._script}:{statement.lineno}"

    def _forget(self, node: _ast.AST) -> None:
        """Forget the values of all names that a part of the script may bind."""
        for part in _nodes(node):
            if isinstance(part, _ast.Name) and not isinstance(part.ctx, _ast.Load):
                self._values.forget(part.id)
            # Definitions, handlers, patterns, global; an import in a branch may not be reached.
            for field in ("name", "asname", "rest", "names"):
                bound = getattr(part, field, None)
                for name in bound if isinstance(bound, list) else [bound]:
                    if isinstance(name, str):
                        self._values.forget(name.partition(".")[0])

    # ---- what would change later imports ----

    def _note_names(self, statement: "_ast.Import | _ast.ImportFrom") -> None:
        prefix = f"{statement.module}." if isinstance(statement, _ast.ImportFrom) else ""
        for alias in statement.names:
            if alias.asname or prefix:
                self._meanings[alias.asname or alias.name] = prefix + alias.name
            else:
                top = alias.name.partition(".")[0]
                self._meanings[top] = top

    def _stops(self, node: _ast.AST) -> bool:
        """Report whether a part of the script may change what later imports find."""
        return any(map(self._changes_imports, _nodes(node)))

    def _changes_imports(self, node: _ast.AST) -> bool:
        if isinstance(node, _IMPORTS):
            self._note_names(node)  # in a handler, a branch or a function
            return False
        if isinstance(node, _ast.Call):
            return self._is_dangerous_call(_text(node.func))
        if isinstance(node, _ast.Subscript):
            # os.environ[...] = ..., del os.environ[...]
            written = not isinstance(node.ctx, _ast.Load)
            return written and self._meaning(_text(node.value)) in _ENVIRONMENTS
        if not isinstance(node, (_ast.Attribute, _ast.Name)):
            return False
        text = _text(node)
        if text == "__import__" or text in self._dangerous:
            return True
        meaning = self._meaning(text)
        if meaning in _STOPS or meaning.partition(".")[0] in _STOPPING_MODULES:
            return True
        # os.environ = ..., del os.environ
        return meaning in _ENVIRONMENTS and not isinstance(node.ctx, _ast.Load)

    def _is_dangerous_call(self, text: str) -> bool:
        if "monkey" in text or "patch_all" in text:
            return True
        owner, _, method = text.rpartition(".")
        return self._meaning(owner) in _ENVIRONMENTS and method not in _READING

    def _meaning(self, text: str) -> str:
        """Return ``os.environ`` for what means it in this script; "" for what was never imported."""
        top, dot, rest = text.partition(".")
        return self._meanings[top] + dot + rest if top in self._meanings else ""


def _nodes(node: _ast.AST) -> "Iterator[_ast.AST]":
    """Yield a node and all below it, in the order of the source.

    Without recursion: a long chain of operators is a deep tree.
    """
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        for field in reversed(node._fields):
            value = getattr(node, field, None)
            children = value if isinstance(value, list) else [value]
            waiting.extend(child for child in reversed(children) if isinstance(child, _ast.AST))
