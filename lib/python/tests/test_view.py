"""With an automatic fork point a script cannot tell: it does what a plain run does."""

import re
import sys
import unittest

from base import Case
from launcher import MAIN, Launcher, environment, plain

# What each of these prints, says on stderr and exits with must be that of a plain run.
SCRIPTS = {
    "arguments": "import sys\nprint(sys.argv, sys.orig_argv, __file__, __name__)",
    "search path": "import sys\nprint(sys.path, sys.meta_path, sys.path_hooks)",
    "search path changed": """
        import os, sys
        sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
        sys.path += ['/more']
        os.environ['MODE'] = 'new'
        import colorsys
        print(sys.path, sorted(os.environ.items()), 'colorsys' in sys.modules)
        """,
    "importer cache": "import sys, colorsys\nprint(*sys.path_importer_cache, sep='\\n')",
    "main module": """
        import sys
        print({n: v if n not in ('__loader__', '__builtins__') else type(v) for n, v in globals().items()})
        print(sys.modules['__main__'].__dict__ is globals(), __loader__.path, __loader__.name)
        """,
    "annotations": "x: int = 1\nprint(__annotations__)",
    "doc": '"""The script."""\nprint(__doc__)',
    "environment": """
        import os, posix
        print(sorted(os.environ.items()), sorted(posix.environ.items()), type(os.environ), type(os.environb))
        os.system('env | sort | grep -av ^_=')
        """,
    "stdin": "import sys\nprint(sys.stdin.read(), sys.stdin, sys.stdin.seekable())",
    "streams": """
        import sys
        for s in sys.stdin, sys.stdout, sys.stderr, sys.__stdin__:
            print(s, s.line_buffering, s.write_through, s.errors, s.newlines, s.buffer, s.buffer.raw)
        """,
    "process": """
        import os
        print(os.getcwd(), oct(os.umask(0)), os.nice(0))
        """,
    "signals": """
        import signal
        for number in sorted(signal.valid_signals()):
            print(number, signal.getsignal(number))
        print(signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.alarm(0))
        """,
    "exit 0": "raise SystemExit",
    "exit 1": "import sys\nsys.exit(1)",
    "exit 3": "import sys\nprint('partial', end='')\nsys.exit(3)",
    "exit 255": "exit(255)",
    "exit with text": "import sys\nsys.exit('that is why')",
    "_exit": "import os\nos._exit(7)",
    "exception": """
        import json
        def f(text):
            return json.loads(text)
        f('{')
        """,
    "chained": """
        try:
            1 / 0
        except ZeroDivisionError as error:
            raise ValueError('chained') from error
        """,
    "interrupt": "raise KeyboardInterrupt",
    "sigint": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\ninput()",
    "sigterm": "import os, signal\nprint('lost', end='')\nos.kill(os.getpid(), signal.SIGTERM)",
    "sigkill": "import os\nos.kill(os.getpid(), 9)",
    "broken pipe": "import os\nos.close(1)\nprint('x')",
    "excepthook": "import sys\nsys.excepthook = lambda *a: print(a[:2], a[2].tb_lineno, a[2].tb_next)\n1 / 0",
    "bad excepthook": "import sys\ndef hook(*a):\n    1 / 0\nsys.excepthook = hook\n[][1]",
    "exit in excepthook": "import sys\nsys.excepthook = lambda *a: sys.exit(9)\n1 / 0",
    "last traceback": """
        import atexit, sys, traceback
        atexit.register(lambda: (print(sys.last_value), traceback.print_tb(sys.last_traceback)))
        1 / 0
        """,
    "atexit": "import atexit\natexit.register(print, 'one')\natexit.register(print, 'two')\nprint('body')",
    "main at exit": "import atexit\natexit.register(lambda: print(sorted(globals())))",
    "thread": """
        import threading
        threading.Thread(target=lambda: print(threading.current_thread(), threading.main_thread())).start()
        """,
    "warning": "import warnings\nwarnings.warn('old')\nprint('after')",
    "future": "from __future__ import annotations\ndef f(a: nothing): pass\nprint(f.__annotations__)",
    "no future": "def f(a: int): pass\nprint(f.__annotations__)",
    "latin 1": b"# coding: latin-1\nprint(ascii('\xe4'))",
    "mark": b"\xef\xbb\xbfprint(ascii('\xc3\xa4'), __file__)\n1/0\n",
    "crlf": b"import sys\r\nprint('''a\r\nb''', end='|')\r\n1/0\r\n",
    "no newline": "print(1)",
    "main imported": "import __main__\nprint(__main__.__name__, sorted(vars(__main__)))",
    "pickle": """
        import pickle
        class C: pass
        print(type(pickle.loads(pickle.dumps(C()))))
        """,
    "inspect": "import inspect\ndef f(): return 1\nprint(inspect.getsource(f), inspect.getsourcefile(f))",
    "dataclass": "import dataclasses\n@dataclasses.dataclass\nclass C:\n    x: int = 1\nprint(C())",
    "descriptors": "import os\nprint([n for n in os.listdir('/proc/self/fd') if n != '3'])",
    "flags": "import sys\nprint(sys.flags, sys.warnoptions, sys._xoptions)\nassert True\nprint(__debug__)",
    "subprocess": "import subprocess\nprint(subprocess.run(['cat'], capture_output=True))",
    "late import": "def f():\n    import colorsys\n    return colorsys.__name__\nprint(f())",
    "unclosed file": "f = open('/dev/stdout', 'w')\nf.write('buffered')",
}

OPTIONS = [["-O"], ["-u"], ["-I"], ["-W", "error"], ["-X", "utf8=0"], ["-s", "-E"]]
if sys.version_info >= (3, 11):
    OPTIONS.append(["-P"])


def stable(out):
    """Take out of an output what differs between any two runs."""
    return re.sub(rb"0x[0-9a-f]+|\d{12,}", b"0x", out).decode(errors="replace")


class View(Case):
    def compare(self, text, options=(), name="script.py"):
        script = self.write(text, name)
        env = {**environment(), "QUERY_STRING": "a=b", "HTTP_X": "\udcff", "EMPTY": ""}
        arguments = ["one", "", "t\u00e4w o"]
        wanted = plain(script, arguments, env, b"the body", options, cwd=self.folder)
        with Launcher(script, "automatic", ["other"], options=options, cwd=self.folder) as launcher:
            launcher.ready()
            got = launcher.run(b"the body", env, arguments)
        self.assertEqual(got.err.decode(errors="replace"), wanted.err.decode(errors="replace"))
        self.assertEqual(stable(got.out), stable(wanted.out))
        self.assertEqual(got.code, wanted.status)

    def test_every_script_does_what_it_does_in_a_plain_run(self):
        for name, text in SCRIPTS.items():
            with self.subTest(name):
                self.compare(text)

    def test_options_of_the_interpreter_are_kept(self):
        for options in OPTIONS:
            with self.subTest(options):
                self.compare(SCRIPTS["flags"], options)
                self.compare(SCRIPTS["streams"], options)
                self.compare(SCRIPTS["search path"], options)

    def test_a_link_leads_to_the_folder_of_the_script(self):
        real = self.write("import sys, neighbour\nprint(sys.path[0], __file__, sys.argv[0])", "real/a.py")
        self.write("", "real/neighbour.py")
        link = self.folder / "link.py"
        link.symlink_to(real)
        wanted = plain(link)
        with Launcher(link, "automatic") as launcher:
            launcher.ready()
            self.assertEqual(launcher.run().out, wanted.out)

    def test_a_relative_name_works(self):
        text = "import os, sys\nprint(sys.argv, __file__, os.getcwd(), sys.path[0])\n1/0"
        self.write(text)
        wanted = plain("./script.py", cwd=self.folder)
        with Launcher("./script.py", "automatic", cwd=self.folder) as launcher:
            launcher.ready()
            got = launcher.run()
        self.assertEqual((got.out, got.err), (wanted.out, wanted.err))

    def test_modules_that_a_plain_run_has_not_are_few(self):
        text = "import sys\nprint(*sys.modules)"
        wanted = set(plain(self.write(text)).out.decode().split())
        got = set(self.run_once(text).out.decode().split())
        ours = {name for name in got - wanted if name.startswith("prefork_interp")}
        self.assertEqual(wanted - got, set())
        self.assertLessEqual(got - wanted - ours, {"_ast", "_socket", "atexit", "gc"})

    def test_the_second_request_sees_nothing_of_the_first(self):
        launcher = self.launch("import sys, json\nprint(json.__dict__.get('seen'))\njson.seen = 1")
        self.assertEqual([launcher.run().out for _ in range(3)], [b"None\n"] * 3)

    def test_without_a_handover_the_script_just_runs(self):
        for name in ("exit 3", "exception", "arguments", "main module", "interrupt"):
            with self.subTest(name):
                script = self.write(SCRIPTS[name])
                wanted = plain(script, ["a"])
                got = plain(MAIN, [str(script), "a"])
                self.assertEqual((got.out, got.err, got.status), (wanted.out, wanted.err, wanted.status))


if __name__ == "__main__":
    unittest.main()
