"""Several requests in one process: the accept idiom, seen from the launcher."""

import os
import socket
import unittest

from base import EXPLICIT, Case
from launcher import plain

LOOP = EXPLICIT + "import prefork_interp\nwhile prefork_interp.accept():\n"


class Accept(Case):
    def begin(self, text, count=None):
        """Start a loop with this body, and the first request of an executor for so many."""
        launcher = self.launch(LOOP + text, "explicit")
        self.assertEqual(launcher.settings["reuse"], "1")
        return launcher.fork(count=count).greet().send(env={"N": "0"}, arguments=["0"])

    def test_one_process_serves_all_requests(self):
        call = self.begin(
            """\
    os.system("echo $N")
    print(os.environ, sys.argv[1:], sys.stdin.read(), os.getpid())
    print(sorted(map(int, os.listdir("/proc/self/fd"))), file=sys.stderr)
print("behind")
sys.exit(4)
""",
            count=3,
        )
        bodies = [b"one", b"two", b"three"]
        answers = []
        for n in (1, 2):
            answers.append(call.again(bodies[n - 1], {"N": str(n)}, [str(n), ""]))
        answers.append(call.finish(bodies[2]))
        for n, answer in enumerate(answers):
            self.assertIn(f"{n}\nenviron({{'N': '{n}'}}) ['{n}'".encode(), answer.out)
            self.assertIn(b" " + bodies[n] + b" %d\n" % call.pid, answer.out)
        self.assertEqual([a.err for a in answers], [b"[0, 1, 2, 3, 10, 11]\n"] * 2 + [b"[0, 1, 2, 3]\n"])
        self.assertEqual([b"behind" in a.out for a in answers], [False, False, True])
        self.assertEqual([a.status for a in answers], [0, 0, 4 << 8])

    def test_stdin_is_each_requests_own(self):
        call = self.begin(
            """\
    print(sys.stdin.closed, sys.stdin.seekable(), sys.stdin.readline().strip(), sys.stdin.read(1))
    if "C" in os.environ:
        sys.stdin.close()
""",
            count=7,
        )
        outputs = [call.again(b"left\nover", {}, null=True).out]
        for environment, null in (({"C": "1"}, True), ({}, True), ({"C": "1"}, False), ({"C": "1"}, False), ({}, True)):
            outputs.append(call.again(b"a\nbc" if call.stdin is not None else b"", environment, null=null).out)
        outputs.append(call.finish().out)
        null, piped = b"False True  \n", b"False False a b\n"
        self.assertEqual(outputs, [b"False False left o\n", null, null, null, piped, piped, null])

    def test_with_one_request_the_loop_is_left_after_it(self):
        for count in (None, 1):
            answer = self.begin("    print('page')\nprint('end')", count).finish()
            self.assertEqual((answer.out, answer.status), (b"page\nend\n", 0))

    def test_standalone_and_without_reuse_there_is_one_request(self):
        script = self.write(LOOP + "    print('page')\nprint('end')")
        self.assertEqual(plain(script, env={"PYTHONPATH": str(self.sources())}).out, b"page\nend\n")
        launcher = self.launch(LOOP + "    print('page')\nprint('end')", "automatic")
        self.assertNotIn("reuse", launcher.settings)
        self.assertEqual(launcher.run().out, b"page\nend\n")

    def test_a_thousand_requests_leave_no_descriptor(self):
        call = self.begin("    print(os.environ['N'])", count=1000)
        counts = []
        for n in range(1, 1000):
            answer = call.again(env={"N": str(n)})
            self.assertEqual((answer.out, answer.status), (b"%d\n" % (n - 1), 0))
            if n < 999:  # after its last request it is about to end
                counts.append(len(os.listdir(f"/proc/{call.pid}/fd")))
        self.assertEqual(call.finish().out, b"999\n")
        # While it is taking a request it has that one's three twice for a moment.
        self.assertLessEqual(min(counts[-100:]), min(counts[:100]))
        self.assertLessEqual(max(counts), min(counts) + 4)

    def test_umask_folder_and_timers_are_put_back(self):
        call = self.begin(
            """\
    import signal
    print(os.getcwd(), oct(os.umask(0o77)), signal.getitimer(signal.ITIMER_REAL))
    os.chdir("/usr")
    signal.alarm(1000)
""",
            count=3,
        )
        answers = [call.again(), call.again(), call.finish()]
        self.assertEqual(len({a.out for a in answers}), 1)

    def test_an_exception_ends_the_process_with_its_status(self):
        call = self.begin("    1 / 0", count=5)
        out, err = call._pump(b"")
        self.assertIn(b"ZeroDivisionError", err)
        self.assertIsNone(call.status())

    def test_what_cannot_be_flushed_ends_the_process(self):
        call = self.begin("    os.read(0, 1)\n    print('x' * 10)", count=5)
        os.close(call.out)
        os.write(call.stdin, b"go")
        self.assertIsNone(call.status())

    def test_a_forked_child_leaves_the_loop(self):
        call = self.begin("    child = os.fork()\n    if child: os.wait()\nprint('child', child)", count=5)
        answer = call.again()
        self.assertEqual((answer.out, answer.status), (b"child 0\n", 0))

    def test_the_end_of_the_call_socket_ends_the_loop_quietly(self):
        call = self.begin("    print('page')\nprint('end')", count=5)
        out, err = call._pump(b"")
        self.assertEqual((out, call.status()), (b"page\n", 0))
        call.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(call.launcher.reap(call.id)[0], 0)

    def test_a_later_request_that_is_garbled_is_refused(self):
        call = self.begin("    print('page')", count=5)
        call._pump(b"")
        self.assertEqual(call.status(), 0)
        call.socket.sendall(b"\0\0\0\0\1\0")
        self.assertEqual(call.launcher.reap(call.id)[0], 127 << 8)

    def test_what_a_request_loads_is_reported_at_its_end(self):
        self.write("", "late.py")
        call = self.begin("    import late", count=5)
        call.again()
        call.launcher.fork().greet().send().finish()
        self.assertIn(str(self.folder / "late.py"), call.launcher.strings_of("file"))

    def test_a_script_that_closes_all_descriptors_is_not_used_again(self):
        call = self.begin("    print('page', flush=True)\n    os.closerange(3, 100)", count=5)
        out, err = call._pump(b"")
        self.assertEqual((out, err, call.status()), (b"page\n", b"", None))

    def sources(self):
        from launcher import SOURCES

        return SOURCES


if __name__ == "__main__":
    unittest.main()
