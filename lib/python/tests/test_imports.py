"""Which imports happen in setup, and where the walk over the script's top ends."""

import os
import sys
import textwrap
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
    "import sys\nsys.path.insert(0, 'x')": True,
    "import sys\nsys.path.insert(index(), 'x')": False,
    "import sys\nsys.path += ['x']": True,
    "import sys\nsys.path += find()": False,
    "import sys\nsys.path = ['x']": False,
    "import sys\nsys.path[0] = 'x'": False,
    "import sys\nsys.path[0:0] = ['x', '/y']": True,
    "import sys\nsys.path[:0] = ('x',)": True,
    "import sys\nsys.path[1:0] = ['x']": False,
    "import sys\nsys.path.extend(['x'])": True,
    "import sys, os\nsys.path.insert(0, os.path.dirname(__file__))": True,
    "import sys, os\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + '/lib')": True,
    "import sys\nfrom os.path import *\nsys.path.append(join(dirname(__file__), 'lib'))": False,
    "import sys\nfrom os.path import join as j, dirname\nsys.path.append(j(dirname(__file__), 'lib'))": True,
    "import sys\nfrom os.path import dirname\ndef dirname(x): pass\nsys.path.append(dirname('/'))": False,
    "import sys\nfrom pathlib import Path\nsys.path.append(str(Path(__file__).resolve().parent / 'lib'))": True,
    "import sys\nfrom pathlib import Path\nsys.path.append(str(Path(__file__).parents[0].absolute()))": True,
    "import sys\nfrom pathlib import Path\nsys.path.append(Path(__file__))": False,
    "import sys\nhere = '/x'\nsys.path.append(f'{here}/lib')": True,
    "import sys\nhere = '/x'\nhere += find()\nsys.path.append(here)": False,
    "import sys\nhere = '/x'\nif here: here = find()\nsys.path.append(here)": False,
    "import sys\nhere = '/x'\ndef f():\n    global here\nf()\nsys.path.append(here)": False,
    "import sys\nhere = '/x'\nfor here in (): pass\nsys.path.append(here)": False,
    "import sys\nhere = '/x'\ntry: pass\nexcept OSError as here: pass\nsys.path.append(here)": False,
    "import sys\nhere = '/x'\nimport os as here\nsys.path.append(here)": False,
    "import sys\nhere = '/x'\nfrom package import *\nsys.path.append(here)": True,
    "import sys\nvalue = '/x'\nfrom package import *\nsys.path.append(value)": False,
    "import sys\nsys.path.append(f'{1!r}')": False,
    "import sys\nsys.path.append(1)": False,
    "import sys\nif True:\n    sys.path.append('x')": False,
    "import sys\nfor x in (): sys.modules.pop(x)": False,
    "import sys as s\ns.path.append('x')": True,
    "import sys as s\ns.path.remove('x')": False,
    "from sys import path\npath.append('x')": True,
    "from sys import path as p\np.append('x')": True,
    "from sys import path as p\np.append(find())": False,
    "import sys\nsys.meta_path.clear()": False,
    "import sys\nsys.dont_write_bytecode = True": False,
    "import site\nsite.addsitedir('x')": True,
    "import site\nsite.main()": False,
    "import importlib\nimportlib.invalidate_caches()": False,
    "from importlib import import_module\nimport_module('json')": False,
    "x = __import__('json')": False,
    "import os\nos.chdir('/')": False,
    "import os\nos.environ['A'] = 'b'": True,
    "import os\nos.environ['A'] = find()": False,
    "import os\nos.environ['HTTP_A'] = 'b'": False,
    "import os\nos.environ.setdefault('A', 'b')": True,
    "import os\ndel os.environ['A']": False,
    "import os\nos.environ.update(A='b')": False,
    "import os\nos.environ = {}": False,
    "from os import environ as e\ne['A'] = 'b'": True,
    "import os\nos.environb[b'A'] = b'b'": False,
    "import os\nos.putenv('A', 'b')": False,
    "monkey.patch_all()": False,
    "patch_all()": False,
    "import sys\ndef f():\n    sys.path.insert(0, 'x')\nf()": False,
    "try:\n    import json\nexcept ImportError:\n    import sys\n    sys.path.append('x')": False,
    "import sys\nwith open(sys.path[0]): pass": False,
    "import sys\ntry:\n    sys.path.append('x')\nfinally: pass": True,
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
        before = list(sys.path), dict(os.environ)
        walk = Walk("/s.py")
        went_on = walk.run(tree.body)
        walk.end()
        self.assertEqual((sys.path, dict(os.environ)), before)
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

    def test_what_the_script_puts_in_force_holds_for_the_imports_behind_it(self):
        self.write("import os\nassert os.environ['MODE'] == 'new'", "lib/four.py")
        self.write(f"{self.folder}/lib\n", "site/a.pth")
        lines = f"""
            import site, sys, os
            os.environ['MODE'] = 'old'
            os.environ['MODE'] = 'new'
            os.environ.setdefault('MODE', 'none')
            here = {str(self.folder)!r}
            sys.path.append(os.path.join(here, 'lib'))
            import four
            """
        os.environ["MODE"] = "before"
        self.addCleanup(os.environ.pop, "MODE")
        for text in (lines, lines.replace("sys.path.append", "site.addsitedir").replace("'lib'", "'site'")):
            with self.subTest(text):
                path = list(sys.path)
                walk = Walk("/s.py")
                walk.run(compile(textwrap.dedent(text), "/s.py", "exec", _ast.PyCF_ONLY_AST).body)
                self.assertEqual((os.environ["MODE"], sys.path[-1]), ("new", f"{self.folder}/lib"))
                self.assertIsNotNone(sys.modules.pop("four", None))
                walk.end()
                self.assertEqual((os.environ["MODE"], sys.path), ("before", path))

    def test_a_site_folder_that_runs_code_stops_the_walk(self):
        self.write("import colorsys\n", "site/a.pth")
        self.assertFalse(self.walk(f"import site\nsite.addsitedir('{self.folder}/site')")[1])

    def test_what_a_module_changes_as_well_cannot_be_taken_back(self):
        self.write("import sys\nsys.path.insert(0, '/from/module')", "inserts.py")
        self.write("import sys\nsys.path.append('/from/module')", "appends.py")
        self.write("import os\nos.environ['MODE'] = 'module'", "sets.py")
        self.addCleanup(os.environ.pop, "MODE", None)
        self.addCleanup(sys.path.__setitem__, slice(None), list(sys.path))
        for text, wanted in {
            "import sys\nsys.path.insert(0, '/x')\nimport inserts": "both change sys.path",
            "import os\nos.environ['MODE'] = 'script'\nimport sets": "both change MODE",
        }.items():
            with self.subTest(text), self.assertRaisesRegex(Failed, wanted):
                self.walk(text)
        tree = compile("import sys\nsys.path.insert(0, '/x')\nimport appends", "/s.py", "exec", _ast.PyCF_ONLY_AST)
        walk = Walk("/s.py")
        self.assertTrue(walk.run(tree.body))
        walk.end()
        self.assertEqual(sys.path[-1], "/from/module")


if __name__ == "__main__":
    unittest.main()
