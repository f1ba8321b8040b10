"""``reuse on``: a script that is not changed runs several times in one process, and cannot tell."""

import os
import unittest

from base import Case
from launcher import environment, plain
from test_view import SCRIPTS, stable

ENDS_THE_PROCESS = {"interrupt", "sigint", "sigterm", "sigkill", "_exit", "broken pipe"}
# These can tell: by a counter in an object, by the call socket.
CAN_TELL = {"thread", "descriptors"}


class Rerun(Case):
    def start(self, text, **more):
        launcher = self.launch(text, extra=" reuse=on", **more)
        self.assertEqual(launcher.settings.get("reuse"), "1")
        return launcher

    def answers(self, launcher, times=3, **request):
        """Make requests to one process as long as it lasts; return answers, and whether it lasted."""
        call = launcher.fork(count=times + 1).greet().send(**request)
        answers = []
        for _ in range(times):
            answer = call.again(**request)
            if answer.status is None:
                answer.status = launcher.reap(call.id)[0]
                call.drop()
                return [*answers, answer], False
            answers.append(answer)
        call.finish()
        return answers, True

    def test_every_script_does_in_each_request_what_it_does_in_a_plain_run(self):
        env = {**environment(), "QUERY_STRING": "a=b", "EMPTY": ""}
        lasting = set()
        for name, text in SCRIPTS.items():
            if name in CAN_TELL:
                continue
            with self.subTest(name):
                script = self.write(text)
                wanted = plain(script, ["one", ""], env, cwd=self.folder)
                launcher = self.start(text, cwd=self.folder)
                answers, lasted = self.answers(launcher, env=env, arguments=["one", ""])
                if lasted:
                    lasting.add(name)
                for got in answers:
                    self.assertEqual(got.err, wanted.err)
                    self.assertEqual(stable(got.out), stable(wanted.out))
                    self.assertEqual(got.code, wanted.status)
        self.assertEqual(SCRIPTS.keys() - lasting - CAN_TELL, ENDS_THE_PROCESS)

    def outputs(self, text, times=3, **more):
        """Return what a script prints in each request of one process, and whether that lasts."""
        answers, lasted = self.answers(self.start(text, **more), times)
        for answer in answers:
            self.assertEqual((answer.err, answer.code), (b"", 0))
        return [answer.out.decode().strip() for answer in answers], lasted

    def test_what_a_script_changes_is_put_back(self):
        self.write("value, gone, items = 1, 2, []", "mod.py")
        self.write("print('loaded')", "late.py")
        for name, text in {
            "globals": "print('seen' in globals())\nseen = 1",
            "module": "import mod\nprint(vars(mod).keys() >= {'new'}, mod.value, mod.gone)\n"
            "mod.value = 2; mod.new = 3; del mod.gone",
            "builtins": "import builtins\nprint(len('12'))\nbuiltins.len = print",
            "environment": "import os\nprint(os.environ.get('A'))\nos.environ['A'] = '1'\nos.environ['PATH'] = ''",
            "folder": "import os\nprint(os.getcwd(), os.umask(0o77))\nos.chdir('/usr')",
            "search path": "import sys\nprint(sys.path, sys.argv)\nsys.path.insert(0, 'x'); sys.argv = []",
            "signals": "import signal\nprint(signal.getsignal(15))\nsignal.signal(15, signal.SIG_IGN)",
            "alarm": "import signal\nprint(signal.alarm(1000))",
            "warnings": "import warnings\nprint(warnings.filters)\nwarnings.simplefilter('always')",
            "late module": "def f():\n    import late\nf()",
            "stdout": "import io, sys\nprint(sys.stdout.encoding)\nsys.stdout = io.StringIO()",
            "stdout settings": "import sys\nprint('a\u00e4', sys.stdout.encoding)\n"
            "sys.stdout.reconfigure(encoding='latin-1', newline='\\r\\n')",
            "stdout detached": "import io, sys\nprint(sys.stdout.encoding, flush=True)\n"
            "sys.stdout = io.TextIOWrapper(sys.stdout.detach(), 'latin-1')\nprint('\u00e4'.isalpha())",
            "stdout closed": "import sys\nprint('x')\nsys.stdout.close()",
            "atexit": "import atexit\natexit.register(print, 'end')\nprint('body')",
            "context": "import decimal\nprint(decimal.getcontext().prec)\ndecimal.getcontext().prec = 3",
            "deleted": "class C:\n    def __del__(self): print('deleted')\nc = C()\nprint('body')",
            "deleted in a cycle": "class C:\n    def __del__(self): print('deleted')\nc = C()\nc.c = c\nprint('body')",
            "generator": "def f():\n    try: yield\n    finally: print('finally')\ng = f()\nnext(g)\nprint('body')",
            "unflushed": "import os\nf = open(os.dup(1), 'w')\nf.write('x')",
        }.items():
            with self.subTest(name):
                outputs, lasted = self.outputs(text)
                self.assertTrue(lasted)
                self.assertEqual(len(set(outputs)), 1, outputs)
                self.assertEqual("deleted" in outputs[0], "deleted" in name)

    def test_what_cannot_be_put_back_ends_the_process_with_its_request(self):
        self.write("items = []", "mod.py")
        for name, text in {
            "thread": "import threading, time\nthreading.Thread(target=time.sleep, args=[.05]).start()\nprint('x')",
            "daemon": "import threading, time\n"
            "threading.Thread(target=time.sleep, args=[5], daemon=True).start()\nprint('x')",
            "descriptor": "import os\nos.open('/dev/null', os.O_RDONLY)\nprint('x')",
            "locale": "import locale\nprint(locale.setlocale(locale.LC_ALL, 'POSIX'))",
            "collector": "import gc\ngc.disable()\nprint('x')",
            "timeout": "import socket\nsocket.setdefaulttimeout(3)\nprint('x')",
            "deleted": "import mod\nclass C:\n    def __del__(self): print('deleted')\n"
            "mod.items.append(C())\nprint('x')",
            "fork": "import os\nif os.fork() == 0: os._exit(0)\nos.wait()\nos.closerange(3, 20)\nprint('x')",
            "mask": "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [15])\nprint('x')",
        }.items():
            with self.subTest(name):
                outputs, lasted = self.outputs(text)
                self.assertFalse(lasted)
                self.assertEqual(len(outputs), 1)
                self.assertEqual("deleted" in outputs[0], name == "deleted")

    def test_a_file_that_setup_reads_keeps_processes_from_being_reused(self):
        self.write("f = open('/etc/passwd')", "mod.py")
        launcher = self.launch("import mod", extra=" reuse=on")
        self.assertNotIn("reuse", launcher.settings)
        self.assertIn("cannot reuse processes: setup has a file open", dict(launcher.messages)["note"].decode())

    def test_a_child_of_the_script_ends_as_ever(self):
        text = "import os, sys\nif os.fork() == 0:\n    print('child')\n    sys.exit(0)\nprint(os.wait()[1])"
        outputs, lasted = self.outputs(text)
        self.assertTrue(lasted)
        self.assertEqual(set(outputs), {"child\n0"})

    def test_a_thousand_requests_leave_nothing(self):
        launcher = self.start("import os, sys\nprint(os.environ['N'], sys.stdin.read(), len(os.listdir('/proc/self/fd')))")
        call = launcher.fork(count=1001).greet().send(env={"N": "0"})
        for n in range(1000):
            answer = call.again(b"body", {"N": str(n + 1)})
            self.assertEqual((answer.out, answer.err, answer.status), (b"%d body 6\n" % n, b"", 0))
            if n in (10, 990):
                used = memory(call.pid)
                first = used if n == 10 else first
        call.finish()
        self.assertLess(used - first, 100)

    def test_the_end_of_the_call_socket_ends_it_quietly(self):
        launcher = self.start("print('page')\nraise SystemExit(3)")
        call = launcher.fork(count=9).greet().send()
        self.assertEqual(call._pump(b"")[0], b"page\n")
        self.assertEqual(call.status(), 3 << 8)
        call.socket.close()
        self.assertEqual(launcher.reap(call.id)[0], 0)


def memory(pid):
    """Return the pages of memory that a process has for itself."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1])


if __name__ == "__main__":
    unittest.main()
