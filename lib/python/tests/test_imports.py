"""Which imports happen in setup, and where the walk over the script's top ends."""

import sys
import unittest

from base import Case
from prefork_interp._imports import Failed, Walk

import _ast

# Statement -> does the walk go on behind it?
STATEMENTS = {
    "x = 1": True,
    "print('x')": True,
    "import json": True,
    "def f():\n    import sys\n    sys.path.insert(0, 'x')": True,
    "class C:\n    site = 1": True,
    "site = 'x'\nprint(site)": True,
    "if True:\n    import json": True,
    "import os\nos.environ.get('HOME')": True,
    "import os\nprint(os.environ['HOME'])": True,
    "import sys\nsys.exit": True,
    "path = []\npath.append(1)": True,
    "import sys\nsys.path.insert(0, 'x')": False,
    "import sys\nsys.path += ['x']": False,
    "import sys\nif True:\n    sys.path.append('x')": False,
    "import sys\nfor x in (): sys.modules.pop(x)": False,
    "import sys as s\ns.path.append('x')": False,
    "from sys import path\npath.append('x')": False,
    "from sys import path as p\np.append('x')": False,
    "import sys\nsys.meta_path.clear()": False,
    "import sys\nsys.dont_write_bytecode = True": False,
    "import site\nsite.addsitedir('x')": False,
    "import importlib\nimportlib.invalidate_caches()": False,
    "from importlib import import_module\nimport_module('json')": False,
    "x = __import__('json')": False,
    "import os\nos.chdir('/')": False,
    "import os\nos.environ['A'] = 'b'": False,
    "import os\ndel os.environ['A']": False,
    "import os\nos.environ.update(A='b')": False,
    "import os\nos.environ = {}": False,
    "from os import environ as e\ne['A'] = 'b'": False,
    "import os\nos.putenv('A', 'b')": False,
    "monkey.patch_all()": False,
    "patch_all()": False,
    "import sys\ndef f():\n    sys.path.insert(0, 'x')\nf()": False,
    "try:\n    import json\nexcept ImportError:\n    import sys\n    sys.path.append('x')": False,
    "import sys\nwith open(sys.path[0]): pass": False,
    "import sys\ntry:\n    sys.path.append('x')\nfinally: pass": False,
}


class Imports(Case):
    def setUp(self):
        super().setUp()
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        for name in ("one", "two", "three"):
            self.write("", f"{name}.py")
        self.write("value = 1", "package/__init__.py")
        self.write("", "package/part.py")
        self.write("import nothing_like_this", "lacking.py")
        self.write("1 / 0", "failing.py")
        self.write("raise SystemExit(4)", "exiting.py")
        self.addCleanup(self.forget)

    def forget(self):
        for name in list(sys.modules):
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(self.folder)):
                del sys.modules[name]
        sys.path_importer_cache.pop(str(self.folder), None)

    def walk(self, text):
        """Walk over a text; return the modules of this test that were imported, and whether it ended."""
        tree = compile(text, "/s.py", "exec", _ast.PyCF_ONLY_AST)
        went_on = Walk("/s.py").run(tree.body)
        names = {n for n in ("one", "two", "three", "package", "package.part") if n in sys.modules}
        self.forget()
        return names, went_on

    def test_each_statement_stops_the_walk_or_does_not(self):
        for text, wanted in STATEMENTS.items():
            with self.subTest(text):
                self.assertEqual(self.walk(text)[1], wanted)
                self.assertEqual("one" in self.walk(text + "\nimport one")[0], wanted)

    def test_what_is_imported(self):
        for text, wanted in {
            "import one, two": {"one", "two"},
            "import package.part": {"package", "package.part"},
            "from package import part": {"package", "package.part"},
            "from package import value": {"package"},
            "from package import *": {"package"},
            "try:\n    import one\n    import two\nexcept ImportError: pass": {"one", "two"},
            "try:\n    import lacking\n    import one\nexcept ImportError: import two": set(),
            "try:\n    import failing\nexcept Exception: pass\nimport one": {"one"},
            "with open('/dev/null'):\n    import one": {"one"},
            "with suppress(ImportError):\n    import lacking\nimport one": {"one"},
            "try:\n    try:\n        import one\n    finally: pass\nfinally: pass": {"one"},
            "if 1:\n    import one\nfor x in 1,: import two": set(),
            "def f(): import one\nclass C: import two": set(),
        }.items():
            with self.subTest(text):
                self.assertEqual(self.walk(text)[0], wanted)

    def test_failures_say_what_and_where(self):
        for text, wanted in {
            "\nimport lacking": r"ModuleNotFoundError: No module named 'nothing_like_this' at /s.py:2",
            "import failing": r"ZeroDivisionError: division by zero at /s.py:1",
            "from package import nothing": r"ImportError: cannot import name 'nothing'.* at /s.py:1",
            "try:\n    import exiting\nexcept BaseException: pass": r"SystemExit: 4 at /s.py:2",
            "from . import one": r"ImportError: .* at /s.py:1",
        }.items():
            with self.subTest(text), self.assertRaisesRegex(Failed, wanted):
                self.walk(text)


if __name__ == "__main__":
    unittest.main()
