"""The native dialect: what the server and its executors do, seen from the launcher."""

import os
import py_compile
import select
import socket
import time
import unittest

from base import EXPLICIT, Case
from launcher import LIMIT, Launcher


class Messages(Case):
    def test_bytecode_of_an_older_source_is_not_loaded(self):
        # As a cold request leaves it, between two edits in one second.
        part = self.write("value = 1\n", "part.py")
        now = time.time()
        os.utime(part, (now, now))
        py_compile.compile(str(part))
        part.write_text("value = 2\n")
        os.utime(part, (now, now))
        self.assertEqual(self.run_once("import part\nprint(part.value)").out, b"2\n")

    def test_ready_names_the_library_and_its_descriptors(self):
        settings = self.launch("pass").settings
        self.assertRegex(settings["library"], r"^prefork_interp [0-9.]+ \(Python\)$")
        self.assertEqual(len(settings["fds"].split(",")), 2)
        self.assertNotIn("max_servers", settings)

    def test_max_servers_is_announced_if_the_script_says_so(self):
        text = EXPLICIT + "prefork_initialisation_complete(max_servers=7)"
        self.assertEqual(self.launch(text, "explicit").settings["max_servers"], "7")

    def test_loaded_files_are_reported_before_ready(self):
        self.write("", "mine.py")
        launcher = self.launch("import mine, json")
        files = launcher.strings_of("file")
        self.assertIn(str(self.folder / "script.py"), files)
        self.assertIn(str(self.folder / "mine.py"), files)
        self.assertTrue(any(name.endswith("/json/decoder.py") for name in files))
        self.assertFalse([name for name in files if "prefork_interp" in name])
        self.assertTrue(all(name.startswith("/") for name in files))

    def test_where_modules_were_missed_is_reported(self):
        self.write("", "mine.py")
        self.write("", "box/__init__.py")
        missed = self.launch("import mine, box, json").strings_of("miss")
        for name in ("json.py", "json/__init__.py", "mine/__init__.py"):
            self.assertIn(str(self.folder / name), missed)
        for name in ("mine.py", "box.py", "box/__init__.py", "script.py", "json/decoder.py"):
            self.assertNotIn(str(self.folder / name), missed)
        self.assertFalse([name for name in missed if "prefork_interp" in name])

    def test_an_executor_reports_what_it_has_loaded_once(self):
        self.write("", "late.py")
        launcher = self.launch("if True:\n    import late")
        launcher.messages.clear()
        launcher.run(), launcher.run(), launcher.run()
        self.assertEqual(launcher.strings_of("file").count(str(self.folder / "late.py")), 1)

    def test_an_executor_reports_what_an_atexit_function_loads(self):
        self.write("", "last.py")
        text = "import atexit\natexit.register(lambda: __import__('last'))"
        launcher = self.launch(text)
        launcher.run()
        self.assertIn(str(self.folder / "last.py"), launcher.strings_of("file"))

    def test_without_autoreload_inc_only_the_script_and_extra_files_are_reported(self):
        text = EXPLICIT + """import json
prefork_autoreload_also_check("/also/1")
prefork_initialisation_complete(autoreload_inc=False, autoreload_extra=["/also/2"])
prefork_autoreload_also_check("/also/3")
import colorsys
"""
        launcher = self.launch(text, "explicit")
        files = [str(self.folder / "script.py"), "/also/1", "/also/2"]
        self.assertEqual(sorted(launcher.strings_of("file")), sorted(files))
        self.assertEqual(launcher.strings_of("miss"), [])
        launcher.run()
        self.assertEqual(launcher.strings_of("file")[-1], "/also/3")

    def test_preloaded_modules_are_loaded_and_others_noted(self):
        for mode, text in (("automatic", ""), ("explicit", EXPLICIT + "prefork_initialisation_complete()\n")):
            with self.subTest(mode):
                text += "import sys\nprint('colorsys' in sys.modules)"
                launcher = self.launch(text, mode, extra=" preload=colorsys,no_such.thing")
                note = dict(launcher.messages)["note"].decode()
                self.assertRegex(note, "^cannot preload no_such.thing: .*No module named")
                self.assertEqual(launcher.run().out, b"True\n")

    def test_open_descriptors_are_reported_with_their_places(self):
        self.write(
            """\
            import socket, sqlite3
            pair = socket.socketpair()
            log = open("log", "a")
            own = socket.socket()

            base = sqlite3.connect("base")
            base.execute("create table if not exists t (a)")
            reading = open("/etc/passwd")
            """,
            "holder.py",
        )
        launcher = self.launch("import holder", cwd=self.folder)
        words = launcher.strings_of("open")
        places = sorted(words[1::2])
        lines = [f"{self.folder}/holder.py:{line}" for line in (2, 2, 3, 4, 6)]
        self.assertEqual(places, lines)

    def test_done_has_status_and_usage(self):
        answer = self.run_once("sum(range(3_000_000))\nraise SystemExit(3)")
        user, system, memory = answer.usage
        self.assertGreater(user + system, 1000)
        self.assertGreater(memory, 1 << 20)
        self.assertEqual(answer.status, 3 << 8)


class Cold(Case):
    def reason(self, text, **more):
        return self.launch(text, ready=False, **more).cold()

    def test_a_variable_of_the_request_is_read(self):
        cases = {
            "os.environ['QUERY_STRING']": "reads QUERY_STRING",
            "os.environ.get('HTTP_HOST')": "reads HTTP_HOST",
            "os.getenv('REMOTE_ADDR', '')": "reads REMOTE_ADDR",
            "os.getenvb(b'SERVER_NAME')": "reads SERVER_NAME",
            "'HTTPS' in os.environ": "reads HTTPS",
            "os.environ.setdefault('PATH_INFO', '')": "PATH_INFO",
            "os.environ.__setitem__('SCRIPT_NAME', 'x')": "writes SCRIPT_NAME",
            "os.environ.pop('CONTENT_TYPE', None)": "reads CONTENT_TYPE",
            "dict(os.environ)": "lists the whole environment",
            "os.environ.copy()": "lists the whole environment",
            "repr(os.environ)": "lists the whole environment",
            "list(os.environb.items())": "lists the whole environment",
        }
        for line, wanted in cases.items():
            with self.subTest(line):
                self.write(f"import os\ntry:\n    {line}\nexcept KeyError: pass\n", "mod.py")
                reason = self.reason("import mod")
                self.assertRegex(reason, f"^setup .*{wanted}")
                self.assertTrue(reason.endswith(f"{self.folder}/mod.py:3"), reason)

    def test_other_variables_are_free(self):
        self.write("import os\nos.environ['SERVER_SOFTWARE']='x'\nos.environ.get('HOME')", "mod.py")
        self.launch("import mod")

    def test_wsgiref_copies_the_environment_of_the_request(self):
        launcher = self.launch(
            """\
            from wsgiref.handlers import BaseHandler, CGIHandler
            def page(environ, start):
                start("200 OK", [])
                return [environ["HTTP_A"].encode(), BaseHandler.os_environ["HTTP_A"].encode()]
            CGIHandler().run(page)
            """,
            env={"HTTP_A": "setup"},
        )
        request = {"SERVER_NAME": "a", "SERVER_PORT": "1", "REQUEST_METHOD": "GET", "HTTP_A": "request"}
        self.assertTrue(launcher.run(env=request).out.endswith(b"\r\n\r\nrequestrequest"))

    def test_a_module_may_look_at_the_main_module(self):
        self.write("import __main__\nnames = sorted(vars(__main__)), __main__.__file__", "mod.py")
        text = "import mod\nprint([n for n in mod.names[0] if n[0] != '_'], mod.names[1] == __file__)"
        self.assertEqual(self.run_once(text).out, b"[] True\n")

    def test_a_deep_expression_is_no_problem(self):
        text = "x = " + "+".join("a" for _ in range(900)) + " if 0 else 1\nprint(x)"
        self.assertEqual(self.run_once(text).out, b"1\n")

    def test_an_import_fails(self):
        self.write("1 / 0", "bad.py")
        reason = self.reason("import sys\nimport bad")
        self.assertEqual(
            reason, f"an import fails: ZeroDivisionError: division by zero at {self.folder}/script.py:2"
        )

    def test_an_import_exits(self):
        self.write("raise SystemExit(0)", "bad.py")
        self.assertIn("SystemExit", self.reason("try:\n    import bad\nexcept ImportError: pass"))

    def test_it_does_not_compile(self):
        self.assertIn("script.py:2", self.reason("import json\nx = = 1"))
        self.assertIn("outside function", self.reason("return 1"))
        self.assertIn("null", self.reason(b"a = '\0'"))

    def test_it_cannot_be_read(self):
        (self.folder / "gone.py").symlink_to("nowhere")
        gone = Launcher(self.folder / "gone.py", "automatic")
        self.addCleanup(self.close, gone)
        self.assertIn("No such file", gone.cold())

    def test_a_function_of_before_fork_fails(self):
        self.write("import prefork_interp\n@prefork_interp.before_fork\ndef f(): 1/0", "mod.py")
        self.assertIn("before_fork fails: ZeroDivisionError", self.reason("import mod"))


class Life(Case):
    def test_the_end_of_ctl_ends_a_server_with_nothing_to_do(self):
        self.assertEqual(self.launch("pass").close(), 0)

    def test_the_end_of_ctl_ends_executors(self):
        launcher = self.launch("import time\nprint(1, flush=True)\ntime.sleep(60)")
        call = launcher.fork().greet().send()
        self.assertEqual(os.read(call.out, 9), b"1\n")
        pidfd = os.pidfd_open(call.pid)
        self.assertEqual(launcher.close(), 0)
        self.assertTrue(select.select([pidfd], [], [], LIMIT)[0])
        os.close(pidfd)
        call.drop()

    def test_an_executor_that_ignores_sigterm_is_killed(self):
        launcher = self.launch(
            "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint(1, flush=True)\ntime.sleep(60)"
        )
        call = launcher.fork().greet().send()
        os.read(call.out, 9)
        pidfd = os.pidfd_open(call.pid)
        self.assertEqual(launcher.close(), 0)
        self.assertTrue(select.select([pidfd], [], [], 0)[0])
        os.close(pidfd)
        call.drop()

    def test_a_parked_executor_without_a_request_ends_quietly(self):
        launcher = self.launch("print('never')")
        call = launcher.fork().greet()
        call.socket.shutdown(socket.SHUT_WR)
        answer = call.finish()
        self.assertEqual((answer.out, answer.err, answer.status), (b"", b"", 0))

    def test_half_a_request_ends_quietly(self):
        launcher = self.launch("print('never')")
        call = launcher.fork().greet().send(raw=b"\0\0\0\0\x10A=")
        call.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(call.finish().status, 0)

    def test_a_garbled_request_is_refused(self):
        launcher = self.launch("print('never')")
        for raw in (b"x", b"\0\0\0\0\3ABC", b"\0\0\0\0\5ABC\0\0", b"\0\xff\xff\xff\xff"):
            with self.subTest(raw):
                answer = launcher.fork().greet().send(raw=raw).finish()
                self.assertEqual((answer.out, answer.code), (b"", 127))
                self.assertIn(b"prefork_interp: ", answer.err)

    def test_a_module_of_the_script_may_be_called_resource(self):
        self.write("print('mine')", "resource.py")
        launcher = self.launch("def f():\n    import resource\nf()")
        answers = [launcher.run() for _ in range(3)]
        self.assertEqual([a.out for a in answers], [b"mine\n"] * 3)
        self.assertGreater(answers[2].usage[2], 1 << 20)

    def test_many_at_once(self):
        launcher = self.launch("import sys\nprint(sys.stdin.read())")
        calls = [launcher.fork().greet() for _ in range(20)]
        answers = [call.send().finish(b"%d" % n) for n, call in enumerate(calls)]
        self.assertEqual([a.out for a in answers], [b"%d\n" % n for n in range(20)])

    def test_an_unknown_reap_is_ignored(self):
        launcher = self.launch("pass")
        launcher.ctl.sendall(b"reap\0\0\0\4nope")
        self.assertEqual(launcher.run().status, 0)

    def test_an_unknown_message_ends_the_server(self):
        for data in (b"what\0\0\0\0", b"fork\xff\0\0\0", b"fork\0\0\0\4abcdx"):
            with self.subTest(data):
                launcher = self.launch("pass")
                launcher.ctl.sendall(data)
                self.assertEqual(launcher.process.wait(LIMIT), 127)
                self.assertIn("makes no sense", launcher.read_log())

    def test_descriptors_may_come_one_by_one(self):
        launcher = self.launch("print('served')")
        self.assertEqual(launcher.settings["rights"], "4")
        for together in (False, True, False):
            answer = launcher.fork(together=together).greet().send().finish()
            self.assertEqual(answer.out, b"served\n")

    def test_messages_may_come_together(self):
        launcher = self.launch("print('served')")
        unknown = b"reap\0\0\0\4nope"
        for before, behind, count in ((unknown, b"", None), (b"", unknown, 1), (2 * unknown, unknown, None), (unknown, b"", 1)):
            with self.subTest(before=before, behind=behind):
                answer = launcher.fork(count=count, before=before, behind=behind).greet().send().finish()
                self.assertEqual((answer.out, answer.status), (b"served\n", 0))

    def test_an_executor_is_reaped_and_the_next_forked_by_one_write(self):
        launcher = self.launch("import os\nprint(len(os.listdir('/proc/self/fd')))")
        call = launcher.fork().greet().send()
        for _ in range(10):
            out, _err = call._pump(b"")
            self.assertEqual(out, b"4\n")
            following = launcher.fork(before=b"reap\0\0\0\4" + call.id).greet().send()
            self.assertEqual(launcher.until("done")[:8], call.id + bytes(4))
            call.socket.close()
            call = following
        call.finish()

    def test_an_executor_has_a_process_group_of_its_own(self):
        answer = self.run_once("import os\nprint(os.getpgrp() == os.getpid())")
        self.assertEqual(answer.out, b"True\n")

    def test_exit_0_is_0_two_hundred_times(self):
        launcher = self.launch("import os\nprint(os.getpid())")
        answers = [launcher.run() for _ in range(200)]
        self.assertEqual({a.status for a in answers}, {0})
        self.assertEqual([int(a.out) for a in answers], [a.pid for a in answers])

    def test_a_failing_fork_is_told(self):
        # No more processes for this user is no limit for root; so the script breaks os.fork.
        self.write("import os\nreal = os.fork\ndef fork():\n    raise OSError(11, 'no more')\nos.fork = fork", "m.py")
        launcher = self.launch("import m")
        call = launcher.fork()
        self.assertEqual(launcher.until("fail")[4:], b"[Errno 11] no more")
        self.assertEqual(call.socket.recv(1), b"")
        call.drop()


if __name__ == "__main__":
    unittest.main()
