"""The quick end of an executor: taken where nothing would notice, and nowhere else."""

import unittest

from base import Case
from launcher import Launcher, environment, plain

# What the library takes for harmless, made to tell when the interpreter is taken apart.
TELL = """
import os, subprocess
told = subprocess.Popen.__new__(subprocess.Popen)
told._child_created, told.returncode = True, 0
told._internal_poll = lambda _deadstate, write=os.write: write(2, b'taken apart')
"""

# Nothing of these would be noticed.
QUICK = {
    "nothing": "",
    "output": "print('x' * 100000)",
    "exit": "import sys\nsys.exit(3)",
    "text": "import sys\nsys.exit('text')",
    "exception": "1 / 0",
    "classes": "import dataclasses, enum, json, logging, re\nclass C(enum.Enum): A = 1\nlogging.error(re.compile('x'))",
    "files": "import io\na = open('/etc/passwd'); b = io.BytesIO(b'x'); c = io.StringIO()",
    "socket": "import socket\ns = socket.socket()",
    "program": "import subprocess\np = subprocess.Popen(['true'])\np.wait()",
    "thread": "import threading\nt = threading.Thread(target=print)\nt.start()",
    "finished generator": "def f(): yield 1\ng = f()\nlist(g)",
    "log": "import logging, sys\nlogging.basicConfig(stream=sys.stdout)\nlogging.error('x')",
    "log kept": "import logging.handlers, sys\nlogging.getLogger().addHandler("
    "logging.handlers.MemoryHandler(9, 99, logging.StreamHandler(sys.stdout)))\nlogging.error('x')",
    "log of its own": "import logging\nclass H(logging.Handler):\n    def close(self): print('closed')\nh = H()",
    "pool of threads": "from concurrent.futures import ThreadPoolExecutor\n"
    "p = ThreadPoolExecutor(1)\nf = p.submit(print, 'x')",
    "before threads are joined": "import threading\nthreading._register_atexit(print, 'end')",
    "atexit instead of log": "import atexit, logging\natexit.unregister(logging.shutdown)\natexit.register(print, 'end')",
    "exit in a function": "import sys\ndef f():\n    a = open('/etc/passwd')\n    sys.exit()\nf()",
    "inspected": "import os\nos.environ['PYTHONINSPECT'] = 'x'",
    "deleted on the way out": "class C:\n    def __del__(self): print('deleted')\n"
    "def f():\n    c = C()\n    raise SystemExit(3)\nf()",
    "atexit": "import atexit\natexit.register(print, 'end')",
    "cycle": "a = []\na.append(a)",
    "written": "f = open('written', 'w')\nf.write('x' * 100)",
    "written raw": "f = open('written', 'wb')\nf.write(b'x')",
    "wrapped": "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'latin-1')\nprint('\xe4')",
    "standard library of C": "import decimal, hashlib, sqlite3, zlib, _json",
}
# These do something when the interpreter is taken apart, or may.
ORDINARY = {
    "deleted": "class C:\n    def __del__(self): print('deleted')\nc = C()",
    "deleted in a cycle": "class C:\n    def __del__(self): print('deleted')\nc = C()\nc.c = c\ndel c",
    "deleted, unknown to the collector": "class C:\n    __slots__ = ()\n    def __del__(self): print('deleted')\nc = C()",
    "deleted, of a base": "class B:\n    def __del__(self): print('deleted')\nclass C(B): pass\nc = C()",
    "generator": "def f():\n    try: yield\n    finally: print('finally')\ng = f()\nnext(g)",
    "coroutine": "async def f(): pass\nc = f()",
    "callback": "import weakref\nclass C: pass\nc = C()\nr = weakref.ref(c, lambda r: print('gone'))",
    "file with a trailer": "import gzip\nf = gzip.open('written', 'wb')\nf.write(b'x' * 100)",
    "temporary file": "import tempfile\nf = tempfile.NamedTemporaryFile(dir='.')",
    "database": "import sqlite3\nd = sqlite3.connect(':memory:')",
    "full": "import os\nos.dup2(os.open('/dev/full', os.O_WRONLY), 1)\nprint('x')",
    "broken": "import os\nr, w = os.pipe()\nos.close(r)\nos.dup2(w, 1)\nprint('x')",
    "warnings": "import warnings\nwarnings.simplefilter('always')\nf = open('/dev/null')",
    "buffer of C": "import ctypes\nctypes.CDLL(None).printf(b'from C')",
    "interrupt": "raise KeyboardInterrupt",
    "daemon": "import threading, time\nthreading.Thread(target=time.sleep, args=[9], daemon=True).start()",
    "setup's": "import holder",
    "put into setup's": "import mod\nclass C:\n    def __del__(self): print('deleted')\nmod.items.append(C())",
}


class End(Case):
    def setUp(self):
        super().setUp()
        self.write("class C:\n    def __del__(self): print('deleted')\nc = C()", "holder.py")
        self.write("items = []\nlog = open('log', 'a')", "mod.py")

    def run_both(self, text):
        """Run a script warm and plain, each in the folder; return answers and what is written."""
        script = self.write(text)
        results = []
        for warm in (False, True):
            if warm:
                with Launcher(script, "automatic", cwd=self.folder) as launcher:
                    launcher.ready()
                    answer = launcher.run(env=environment())
            else:
                answer = plain(script, cwd=self.folder)
                answer.status = answer.status << 8 if answer.status >= 0 else -answer.status
            written = self.folder / "written"
            results.append((answer.out, answer.status, written.exists() and len(written.read_bytes())))
            answer.left = sorted(path.name for path in self.folder.glob("tmp*"))
            results[-1] += (answer.left, answer.err)
            written.unlink(missing_ok=True)
        return results

    def test_the_end_is_quick_where_nothing_would_notice(self):
        for name, text in QUICK.items():
            with self.subTest(name):
                wanted, got = self.run_both(TELL + text)
                self.assertEqual(got[:4], wanted[:4])
                self.assertEqual(got[4] + b"taken apart", wanted[4])

    def test_it_is_not_where_something_might(self):
        for name, text in ORDINARY.items():
            with self.subTest(name):
                wanted, got = self.run_both(TELL + text)
                self.assertEqual(got, wanted)
                self.assertIn(b"taken apart", got[4])

    def test_what_setup_has_opened_is_flushed(self):
        launcher = self.launch("import mod\nmod.log.write('line\\n')", cwd=self.folder)
        for _ in range(3):
            self.assertEqual(launcher.run().status, 0)
        self.assertEqual((self.folder / "log").read_text(), "line\n" * 3)

    def test_what_a_script_has_frozen_stays_so(self):
        text = "import gc\nclass C:\n    def __del__(self): print('deleted')\nc = C()\ngc.freeze()"
        wanted, got = self.run_both(text)
        self.assertEqual(got, wanted)

    def test_exit_statuses(self):
        for code in ("0", "None", "True", "255", "256", "-1", "2**70", "-2**70", "'text'", "1.5", "()"):
            with self.subTest(code):
                wanted, got = self.run_both(f"raise SystemExit({code})")
                self.assertEqual(got, wanted)



if __name__ == "__main__":
    unittest.main()
