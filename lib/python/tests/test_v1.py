"""Protocol v1, under Debian's /usr/bin/prefork-interp, and with its bytes played by hand."""

import array
import os
import pwd
import select
import shutil
import socket
import struct
import subprocess
import sys
import time
import unittest
from pathlib import Path

from base import EXPLICIT, Case, processes, session
from launcher import LIMIT, SOURCES

WRAPPER = "/usr/bin/prefork-interp"
BOUNDARY = "prefork_initialisation_complete(log_facility='')\n"


@unittest.skipUnless(shutil.which(WRAPPER), "the package chiark-utils-bin is not installed")
class Wrapper(Case):
    """The wrapper keeps its sockets in a folder of the user's, and in no other: so each test has a name there."""

    def setUp(self):
        super().setUp()
        self.env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(SOURCES)}
        self.ident = f"test-{self.folder.name}"
        self.addCleanup(self.stop)

    def start(self, text):
        """Write the script, and make it older than any server."""
        self.script = self.write(EXPLICIT + text)
        os.utime(self.script, (1, 1))

    def popen(self, *arguments, mode=(), **env):
        command = [WRAPPER, *mode, "-U", "-g", self.ident, sys.executable, str(self.script), *arguments]
        return subprocess.Popen(
            command, env={**self.env, **env}, cwd=self.folder,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    def run_once(self, *arguments, body=b"", **env):
        with self.popen(*arguments, **env) as process:
            out, err = process.communicate(body, LIMIT)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def stop(self):
        """Kill the server, and wait until nothing that runs has the script's name."""
        running = list(filter(None, map(self.of_script, processes())))
        with self.popen(mode=["--kill"]) as process:
            process.communicate(timeout=LIMIT)
        for pidfd in running:
            self.assertTrue(select.select([pidfd], [], [], LIMIT)[0], "a process is left")
            os.close(pidfd)
        home = Path(pwd.getpwuid(os.getuid()).pw_dir, ".prefork-interp", os.uname().nodename)
        for folder in (home, Path(f"/run/user/{os.getuid()}/prefork-interp")):
            for kind in "sl":
                (folder / (kind + self.ident)).unlink(missing_ok=True)

    def of_script(self, pid):
        """Return a pidfd of a process if it runs the script."""
        try:
            if session(pid) and str(self.script).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return os.pidfd_open(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has just ended
        return None

    def test_a_request_has_its_own_everything(self):
        self.start(BOUNDARY + "print(sys.argv, os.environ['X'], sys.stdin.read(), os.getppid())")
        seen = set()
        for n in range(4):
            answer = self.run_once("a", "", f"{n}", body=b"body", X=f"{n}")
            words = answer.stdout.decode().rsplit(" ", 1)
            self.assertEqual(words[0], f"['{self.script}', 'a', '', '{n}'] {n} body", answer.stderr)
            seen.add(words[1])
        self.assertEqual(len(seen), 4)

    def test_setup_runs_once(self):
        self.start("open('setups', 'a').write('x')\n" + BOUNDARY + "print(open('setups').read())")
        self.assertEqual([self.run_once().stdout for _ in range(3)], [b"x\n"] * 3)

    def test_exit_codes_and_signals(self):
        self.start(
            BOUNDARY + "how = sys.argv[1]\n"
            "os.kill(os.getpid(), int(how[1:])) if how[0] == 's' else sys.exit(int(how))"
        )
        for how, wanted in (("0", 0), ("1", 1), ("3", 3), ("255", 255), ("s9", -9), ("s15", -15)):
            with self.subTest(how):
                self.assertEqual(self.run_once(how).returncode, wanted)

    def test_exit_0_is_0_two_hundred_times(self):
        self.start(BOUNDARY + "sys.exit(0)")
        self.assertEqual({self.run_once().returncode for _ in range(200)}, {0})

    def test_descriptors_and_streams(self):
        self.start(BOUNDARY + "print(sorted(os.listdir('/proc/self/fd')))\nprint('e', file=sys.stderr)")
        for _ in range(2):  # the first is on CALL, the second on LISTEN
            answer = self.run_once()
            self.assertEqual((answer.stdout, answer.stderr), (b"['0', '1', '2', '3']\n", b"e\n"))

    def test_a_large_binary_body(self):
        self.start(BOUNDARY + "sys.stdout.buffer.write(sys.stdin.buffer.read())")
        body = os.urandom(3 << 20)
        for _ in range(2):
            self.assertEqual(self.run_once(body=body).stdout, body)

    def test_a_changed_script_is_run_anew(self):
        self.start(BOUNDARY + "print('old')")
        self.assertEqual(self.run_once().stdout, b"old\n")
        self.script.write_text(EXPLICIT + BOUNDARY + "print('new')")
        future = time.time() + 2
        os.utime(self.script, (future, future))
        self.assertEqual(self.run_once().stdout, b"new\n")

    def test_a_module_that_is_changed_counts_unless_told_otherwise(self):
        for option, wanted in (("", "new"), ("autoreload_inc=False, ", "old")):
            with self.subTest(option):
                self.write("text = 'old'", "mod.py")
                os.utime(self.folder / "mod.py", (1, 1))
                self.start("import mod\n" + BOUNDARY.replace("(", "(" + option, 1) + "print(mod.text)")
                self.assertEqual(self.run_once().stdout, b"old\n")
                shutil.rmtree(self.folder / "__pycache__")
                self.write("text = 'new'", "mod.py")
                os.utime(self.folder / "mod.py", (time.time() + 9, time.time() + 9))
                self.assertEqual(self.run_once().stdout.decode(), wanted + "\n")
                self.stop()

    def test_sigchld_ignored_by_the_script_does_no_harm(self):
        self.start("import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n" + BOUNDARY + "sys.exit(3)")
        self.assertEqual([self.run_once().returncode for _ in range(8)], [3] * 8)

    def test_max_servers_makes_others_wait(self):
        self.start(
            "prefork_initialisation_complete(max_servers=1, log_facility='')\n"
            "import time\nprint(time.monotonic())\ntime.sleep(0.2)\nprint(time.monotonic())"
        )
        self.run_once()
        running = [self.popen() for _ in range(3)]
        times = sorted(tuple(map(float, p.communicate()[0].split())) for p in running)
        for (_, end), (begin, _) in zip(times, times[1:]):
            self.assertLess(end, begin)

    def test_an_idle_server_ends(self):
        self.start("prefork_initialisation_complete(idle_timeout=0.1, log_facility='')\nprint(os.getsid(0))")
        server = int(self.run_once().stdout)
        try:
            pidfd = os.pidfd_open(server)
        except ProcessLookupError:
            return
        self.assertTrue(select.select([pidfd], [], [], LIMIT)[0])
        os.close(pidfd)

    def test_an_executor_is_interrupted_when_its_caller_goes(self):
        self.start(
            BOUNDARY + "import time\n"
            "try: print(os.getpid(), flush=True), time.sleep(60)\n"
            "except KeyboardInterrupt: open('interrupted', 'w').close()"
        )
        with self.popen() as caller:
            pidfd = os.pidfd_open(int(caller.stdout.readline()))
            caller.kill()
        self.assertTrue(select.select([pidfd], [], [], LIMIT)[0])
        os.close(pidfd)
        self.assertTrue((self.folder / "interrupted").exists())

    def test_hooks_and_read_only_files(self):
        self.start(
            "before_fork(lambda: print('before', file=sys.stderr))\nafter_fork(lambda: print('after'))\n"
            "f = open(__file__); f.readline()\n" + BOUNDARY + "print(f.readline(), end='')"
        )
        for err in (b"before\n", b"", b""):
            answer = self.run_once()
            self.assertEqual((answer.stdout, answer.stderr), (b"after\n" + b"from prefork_interp import *\n", err))


class ByHand(Case):
    """The launcher's end of the sockets is here."""

    def start(self, text=BOUNDARY):
        script = self.write(EXPLICIT + text)
        os.utime(script, (1, 1))
        self.listen = socket.socket(socket.AF_UNIX)
        self.listen.bind(str(self.folder / "listen"))
        self.listen.listen()
        self.listen.setblocking(False)
        self.call, call = socket.socketpair()
        self.call.settimeout(LIMIT)
        sentinel, watchi = os.pipe()
        watche, self.leash = os.pipe()
        os.set_blocking(watche, False)
        ends = [self.listen.fileno(), call.fileno(), watchi, watche]
        env = {
            "PYTHONPATH": str(SOURCES),
            "PREFORK_INTERP": "v1,%d.000000000 %d,%d,%d,%d" % (time.time(), *ends),
        }
        done = subprocess.run(
            [sys.executable, str(script)], env=env, pass_fds=ends, stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE if "PIPE" in text else None,
        )
        self.assertEqual(done.returncode, 0)
        for end in (watchi, watche):
            os.close(end)
        call.close()
        self.sentinel = sentinel
        self.addCleanup(self.end)

    def end(self):
        """Let go; the server must end, and all that held the sentinel with it."""
        self.call.close()
        self.listen.close()
        os.close(self.leash)
        self.assertTrue(select.select([self.sentinel], [], [], LIMIT)[0])
        self.assertEqual(os.read(self.sentinel, 1), b"")
        os.close(self.sentinel)

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(LIMIT)
        connection.connect(str(self.folder / "listen"))
        return connection

    def send_request(self, call, out, data=b"\0\0\0\1\0", first=b"\0"):
        self.assertEqual(call.recv(8), b"PFI\n\0\0\0\0")
        call.sendall(first)
        with open("/dev/null", "r+b") as null:
            for number in (null.fileno(), out, out):
                rights = array.array("i", [number])
                call.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        call.sendall(data)

    def test_the_status_is_the_executor_s_own(self):
        self.start(BOUNDARY + "sys.exit(3)")
        with open("/dev/null", "wb") as null:
            for call in (self.call, self.connect(), self.connect()):
                self.send_request(call, null.fileno())
                self.assertEqual(struct.unpack(">I", call.recv(4)), (3 << 8,))
                self.assertEqual(call.recv(1), b"")
                call.close()

    def test_garbled_calls_are_refused_and_others_served(self):
        self.start()
        self.call.close()
        for first, data, words in (
            (b"\0", b"\0\0\0\2A\0", "NUL is missing"),
            (b"\0", b"\0\0\0\3AB\0", "NUL is missing"),
            (b"\0", b"\0\0\0\4AB\0\0", "no '='"),
            (b"\0", b"\xff\0\0\0", "more than"),
        ):
            with self.subTest(data):
                read_end, write_end = os.pipe()
                call = self.connect()
                self.send_request(call, write_end, data, first)
                os.close(write_end)
                self.assertEqual(call.recv(4), b"")
                self.assertIn(words, os.read(read_end, 999).decode())
                os.close(read_end)
                call.close()

    def test_a_launcher_that_dies_early_does_no_harm(self):
        self.start()
        for data in (b"", b"\0", b"\0\0"):
            call = self.connect()
            self.assertEqual(call.recv(8), b"PFI\n\0\0\0\0")
            call.sendall(data)
            call.close()
        with self.connect() as call:
            self.assertEqual(call.recv(8), b"PFI\n\0\0\0\0")

    def test_data_on_watche_ends_the_server(self):
        self.start()
        self.call.close()
        os.write(self.leash, b"trouble\n")
        self.assertTrue(select.select([self.sentinel], [], [], LIMIT)[0])

    def test_a_senseless_handover_is_told(self):
        script = self.write(EXPLICIT + BOUNDARY)
        for value in ("", "v2,1.000000000 3,4,5,6", "v1,1.5 3,4,5,6", "v1,1.000000000 3,4",
                      "v1,1.000000000 97,98,99,96"):
            with self.subTest(value):
                env = {"PYTHONPATH": str(SOURCES), "PREFORK_INTERP": value}
                done = subprocess.run([sys.executable, str(script)], env=env, capture_output=True)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"prefork_interp: cannot use PREFORK_INTERP", done.stderr)


class Standalone(Case):
    def test_without_a_handover_nothing_happens(self):
        text = EXPLICIT + BOUNDARY + """
pid = os.getpid()
assert prefork_autoreload_also_check("x") is None
assert before_fork(print) is print and after_fork(print) is print
print(os.getpid() == pid, [m for m in sys.modules if m.startswith("prefork_interp")])
"""
        env = {"PYTHONPATH": str(SOURCES)}
        done = subprocess.run([sys.executable, str(self.write(text))], env=env, capture_output=True)
        self.assertEqual(done.stdout, b"True ['prefork_interp']\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
