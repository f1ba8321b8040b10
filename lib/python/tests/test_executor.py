"""What an executor is given, and gets back from setup: both kinds of fork point."""

import os
import signal
import sys
import tempfile
import time
import unittest

from base import EXPLICIT, Case
from launcher import plain

BOUNDARY = "prefork_initialisation_complete()\n"


class Request(Case):
    def test_environment_and_arguments_are_the_request_s(self):
        tail = "print(sys.argv[1:], sorted(os.environ.items()), 'PREFORK_INTERP' in os.environ)"
        for mode, text in (("automatic", "import os, sys\n"), ("explicit", EXPLICIT + BOUNDARY)):
            with self.subTest(mode):
                launcher = self.launch(text + tail, mode, arguments=["setup"], env={"SETUP": "1", "A": "0"})
                answer = launcher.run(env={"A": "1"}, arguments=["x", "", "\udcff"])
                self.assertEqual(answer.out, b"['x', '', '\\udcff'] [('A', '1')] False\n")

    def test_what_setup_changed_in_its_environment_stays_if_automatic(self):
        self.write("import os\nos.environ['NEW'] = 'n'\nos.environ['A'] = 'm'\ndel os.environ['GONE']", "mod.py")
        tail = "print(sorted(os.environ.items()))"
        env = {"A": "0", "GONE": "0", "SAME": "0"}
        for mode, text, wanted in (
            ("automatic", "import mod, os\n", b"[('A', 'm'), ('NEW', 'n'), ('SAME', '1')]\n"),
            ("explicit", EXPLICIT + "import mod\n" + BOUNDARY, b"[('A', '1'), ('GONE', '1'), ('SAME', '1')]\n"),
        ):
            with self.subTest(mode):
                launcher = self.launch(text + tail, mode, env=env)
                self.assertEqual(launcher.run(env=dict.fromkeys(env, "1")).out, wanted)

    def test_modules_that_hold_the_environment_see_the_request_s(self):
        self.write("import os, sys\nheld, heldb, argv = os.environ, os.environb, sys.argv", "mod.py")
        text = "import mod, os, sys\nprint(mod.held['X'], mod.heldb[b'X'], mod.held is os.environ, mod.argv)"
        launcher = self.launch(text)
        got = launcher.run(env={"X": "1"}, arguments=["a"]).out.decode()
        self.assertEqual(got, f"1 b'1' True ['{self.folder}/script.py', 'a']\n")

    def test_a_long_binary_body(self):
        text = "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())"
        launcher = self.launch(text)
        body = os.urandom(1 << 16) * 64
        for data in (body, b"", b"\0", b"\r\n\xff"):
            self.assertEqual(launcher.run(data).out, data)

    def test_a_body_in_a_file_can_be_sought(self):
        text = "from sys import stdin as s\nprint(s.seekable(), s.readline(), s.seek(0), s.buffer.read())"
        file = tempfile.TemporaryFile()
        file.write(b"one\ntwo\n")
        file.seek(0)
        launcher = self.launch(text)
        answer = launcher.run(stdin=os.dup(file.fileno()))
        file.close()
        self.assertEqual(answer.out, b"True one\n 0 b'one\\ntwo\\n'\n")

    def test_stdout_and_stderr_are_apart(self):
        answer = self.run_once("import os, sys\nprint('o')\nprint('e', file=sys.stderr)\nos.system('echo s >&2')")
        self.assertEqual((answer.out, answer.err), (b"o\n", b"e\ns\n"))

    def test_what_setup_prints_goes_to_the_log_once(self):
        launcher = self.launch(EXPLICIT + "print('loaded', end='')\n" + BOUNDARY + "print('page')", "explicit")
        self.assertEqual([launcher.run().out for _ in range(3)], [b"page\n"] * 3)
        self.assertEqual(launcher.read_log(), "loaded")


class State(Case):
    def test_descriptors_are_0_1_and_2_only(self):
        tail = "print(sorted(os.listdir('/proc/self/fd')))"  # 3 is the listing itself
        for mode, text in (("automatic", "import os\n"), ("explicit", EXPLICIT + BOUNDARY)):
            with self.subTest(mode):
                self.assertEqual(self.run_once(text + tail, mode).out, b"['0', '1', '2', '3']\n")

    def test_duplicates_of_standard_descriptors_follow(self):
        self.write(
            """\
            import os
            i, o, e = (os.dup(n) for n in range(3))
            os.set_inheritable(o, True)
            saved = os.fdopen(e, "w")
            null = os.open("/dev/null", os.O_RDWR)
            """,
            "mod.py",
        )
        text = """\
            import mod, os
            os.write(mod.o, b"to stdout")
            mod.saved.write("to stderr")
            os.write(mod.null, os.read(mod.i, 9))
            os.write(1, repr([os.get_inheritable(n) for n in (mod.i, mod.o, mod.e)]).encode())
            """
        answer = self.run_once(text)
        self.assertEqual(answer.out, b"to stdout[False, True, False]")
        self.assertEqual(answer.err, b"to stderr")

    def test_read_only_files_have_an_offset_of_their_own(self):
        self.write("0123456789" * 1000, "data")
        text = EXPLICIT + f"""
f = open({str(self.folder / 'data')!r}); f.read(3)
raw = os.open({str(self.folder / 'data')!r}, os.O_RDONLY); os.lseek(raw, 5, 0)
os.unlink({str(self.folder / 'data')!r})
{BOUNDARY}
print(f.read(4), os.read(raw, 3), os.get_inheritable(raw), len(f.read()), len(os.read(raw, 99999)))
"""
        launcher = self.launch(text, "explicit")
        for _ in range(3):
            self.assertEqual(launcher.run().out, b"3456 b'567' False 9993 9992\n")

    def test_random_numbers_of_what_the_script_seeds_at_fork_differ(self):
        self.write(
            "import os, random\nmine = random.Random(1)\nos.register_at_fork(after_in_child=mine.seed)\n"
            "random.seed(1), random.gauss(0, 1)",
            "mod.py",
        )
        launcher = self.launch("import mod, random\nprint(mod.mine.random(), random.gauss(0, 1), random.random())")
        answers = [launcher.run().out.split() for _ in range(3)]
        self.assertEqual([len(set(column)) for column in zip(*answers)], [3, 3, 3])

    def test_random_numbers_of_what_the_script_forks_differ(self):
        launcher = self.launch(
            """\
            import os, random
            random.seed(1)
            read, write = os.pipe()
            for _ in range(3):
                if not os.fork():
                    os.write(write, b"%r\\n" % random.random())
                    os._exit(0)
                os.wait()
            print(len(set(os.read(read, 999).split())))
            """
        )
        self.assertEqual(launcher.run().out, b"3\n")

    def test_random_numbers_differ(self):
        launcher = self.launch("import random\nprint(random.random())")
        self.assertEqual(len({launcher.run().out for _ in range(10)}), 10)

    def test_handlers_of_the_script_are_back_and_do_not_disturb_the_server(self):
        self.write(
            """\
            import signal
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            signal.signal(signal.SIGUSR1, lambda *a: print("handled"))
            """,
            "mod.py",
        )
        text = """\
            import mod, os, signal
            os.kill(os.getpid(), signal.SIGUSR1)
            print(int(signal.getsignal(signal.SIGCHLD)), int(signal.getsignal(signal.SIGPIPE)))
            raise SystemExit(5)
            """
        launcher = self.launch(text)
        for _ in range(3):
            answer = launcher.run()
            self.assertEqual((answer.out, answer.code), (b"handled\n1 0\n", 5))

    def test_a_pending_alarm_does_not_reach_the_server(self):
        text = EXPLICIT + "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.3)\n" + BOUNDARY + "signal.pause()"
        launcher = self.launch(text, "explicit")
        parked = launcher.fork().greet()
        self.assertEqual(launcher.run().status, signal.SIGALRM)
        self.assertEqual(parked.send().finish().status, signal.SIGALRM)

    def test_the_current_directory_and_umask_are_kept(self):
        text = EXPLICIT + "os.chdir('/usr'); os.umask(0o27)\n" + BOUNDARY + "print(os.getcwd(), os.umask(0))"
        self.assertEqual(self.run_once(text, "explicit").out, b"/usr 23\n")

    def test_a_default_timeout_of_sockets_does_not_reach_the_library(self):
        self.write("import socket\nsocket.setdefaulttimeout(0.05)", "mod.py")
        launcher = self.launch("import mod\nprint('served')")
        call = launcher.fork().greet()
        time.sleep(0.2)  # longer than that: nothing is waited for
        self.assertEqual(call.send().finish().out, b"served\n")

    def test_hooks_are_called_in_order_with_the_request(self):
        text = EXPLICIT + """
@before_fork
def before(): print("before", os.getpid() == server)
@after_fork
def first(): print("first", os.environ["X"], sys.argv[1:], sys.stdin.read())
@after_fork
def second(): print("second")
server = os.getpid()
prefork_initialisation_complete()
print(first.__name__)
prefork_initialisation_complete()
"""
        launcher = self.launch(text, "explicit")
        for _ in range(2):
            answer = launcher.run(b"in", {"X": "1"}, ["a"])
            self.assertEqual(answer.out, b"first 1 ['a'] in\nsecond\nfirst\n")
        self.assertEqual(launcher.read_log(), "before True\n")

    def test_a_failing_after_fork_is_an_exception_of_the_script(self):
        self.write("import prefork_interp\n@prefork_interp.after_fork\ndef f():\n    1 / 0", "mod.py")
        answer = self.run_once("import mod")
        self.assertEqual(answer.code, 1)
        self.assertTrue(answer.err.endswith(b"ZeroDivisionError: division by zero\n"))
        self.assertNotIn(b"_launch", answer.err)

    def test_threading_and_logging_are_right_in_what_a_script_forks(self):
        text = """\
            import logging, os, threading
            print(threading.main_thread().native_id == os.getpid())
            logging.lastResort.acquire()
            held, done = threading.Event(), threading.Event()
            def hold():
                held.set()
                done.wait()
            other = threading.Thread(target=hold)
            other.start()
            held.wait()
            reading, writing = os.pipe()
            if os.fork() == 0:
                free = lambda: os.write(writing, b"%d" % logging.lastResort.lock.acquire(timeout=5))
                taker = threading.Thread(target=free)
                taker.start()
                taker.join()
                os._exit(threading.active_count())
            done.set()
            print(os.waitstatus_to_exitcode(os.wait()[1]), os.read(reading, 1))
            """
        self.assertEqual(self.run_once(text).out, b"True\n1 b'1'\n")

    def test_a_forked_child_of_the_script_does_not_report(self):
        text = """\
            import os, sys
            if os.fork() == 0:
                import colorsys
                sys.exit(0)
            print(os.waitstatus_to_exitcode(os.wait()[1]))
            """
        launcher = self.launch(text)
        self.assertEqual(launcher.run().out, b"0\n")
        self.assertFalse([n for n in launcher.strings_of("file") if "colorsys" in n])


class Explicit(Case):
    def test_an_exception_after_the_call_is_shown_as_in_a_plain_run(self):
        text = EXPLICIT + BOUNDARY + "def f():\n    1 / 0\nf()\n"
        answer = self.run_once(text, "explicit")
        env = {"PYTHONPATH": str(self.sources())}
        wanted = plain(self.folder / "script.py", env=env)
        self.assertEqual((answer.err, answer.code), (wanted.err, 1))

    def test_setup_that_fails_is_the_script_s_failure(self):
        launcher = self.launch(EXPLICIT + "1 / 0\n" + BOUNDARY, "explicit", ready=False)
        self.assertIsNone(launcher.receive())
        self.assertEqual(launcher.process.wait(), 1)
        self.assertIn("ZeroDivisionError", launcher.read_log())

    def test_a_script_that_never_calls_runs_to_its_end(self):
        launcher = self.launch(EXPLICIT + "print('done')", "explicit", ready=False)
        self.assertIsNone(launcher.receive())
        self.assertEqual(launcher.process.wait(), 0)
        self.assertEqual(launcher.read_log(), "done\n")

    def test_the_library_may_be_imported_from_the_search_path(self):
        script = self.write(EXPLICIT + BOUNDARY + "print(os.environ['X'])")
        launcher = self.launch(
            EXPLICIT + BOUNDARY + "print(os.environ['X'])", "explicit",
            command=[sys.executable, str(script)], env={"PYTHONPATH": str(self.sources())},
        )
        self.assertEqual(launcher.run(env={"X": "1"}).out, b"1\n")

    def test_an_explicit_call_is_nothing_if_the_fork_point_was_automatic(self):
        text = "import prefork_interp\nprefork_interp.prefork_initialisation_complete()\nprint('page')"
        self.assertEqual(self.run_once(text).out, b"page\n")

    def test_setup_may_start_programs_that_see_nothing_of_the_handover(self):
        text = EXPLICIT + "os.system('env | grep -c PREFORK')\n" + BOUNDARY
        launcher = self.launch(text, "explicit")
        self.assertEqual(launcher.read_log(), "0\n")

    def test_setup_may_have_closed_its_stdin(self):
        text = EXPLICIT + "os.close(0)\n" + BOUNDARY + "print(sys.stdin.read())\n"
        launcher = self.launch(text, "explicit")
        self.assertEqual(launcher.run(b"body").out, b"body\n")
        null = os.open(os.devnull, os.O_RDONLY)
        self.assertEqual(launcher.run(stdin=null).out, b"\n")

    def test_no_servers_at_all_is_refused(self):
        text = EXPLICIT + "try: prefork_initialisation_complete(max_servers=0)\nexcept ValueError as e: print(e)"
        launcher = self.launch(text, "explicit", ready=False)
        self.assertIsNone(launcher.receive())
        self.assertIn("max_servers must not be 0", launcher.read_log())

    def sources(self):
        from launcher import SOURCES

        return SOURCES


if __name__ == "__main__":
    unittest.main()
