"""Asking the launcher for more time."""

import os
import socket
import unittest

from base import EXPLICIT, SOURCES, Case
from launcher import plain

SCRIPT = (
    EXPLICIT
    + """\
import os, sys, prefork_interp
prefork_interp.prefork_initialisation_complete()
print(prefork_interp.extend(float(sys.argv[1])), [n for n in os.environ if "PREFORK" in n])
"""
)


class Extend(Case):
    def setUp(self):
        super().setUp()
        self.name = f"prefork-test-{os.getpid()}"
        self.bell = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.bell.close)
        self.bell.bind("\0" + self.name)
        self.bell.listen()
        self.bell.settimeout(20)
        self.launcher = self.launch(SCRIPT, "explicit", extra=f" extend={self.name}")

    def ask(self, seconds, answer):
        """Return what has been asked for, and what the script says."""
        call = self.launcher.fork().greet().send(arguments=[seconds])
        script, _ = self.bell.accept()
        with script:
            wish = script.recv(9)
            script.sendall(answer)
        return int.from_bytes(wish, "big"), self.said(call.finish())

    def said(self, answer):
        self.assertEqual((answer.err, answer.status), (b"", 0))
        return answer.out

    def test_it_is_what_the_launcher_says(self):
        self.assertEqual(self.ask("1.5", b"\1"), (1500, b"True []\n"))
        self.assertEqual(self.ask("60", b"\0"), (60_000, b"False []\n"))
        self.assertEqual(self.ask("60", b""), (60_000, b"False []\n"))
        self.assertEqual(self.ask("inf", b"\1"), (0xFFFFFFFF, b"True []\n"))

    def test_no_time_at_all_is_not_asked_for(self):
        for seconds in ("0", "-1", "nan"):
            self.assertEqual(self.said(self.launcher.run(arguments=[seconds])), b"False []\n")

    def test_without_anybody_there_it_is_refused(self):
        self.bell.close()
        self.assertEqual(self.said(self.launcher.run(arguments=["60"])), b"False []\n")
        self.assertEqual(self.said(self.launch(SCRIPT, "explicit").run(arguments=["60"])), b"False []\n")
        script = self.write(SCRIPT)
        self.assertEqual(plain(script, ["60"], env={"PYTHONPATH": str(SOURCES)}).out, b"False []\n")


if __name__ == "__main__":
    unittest.main()
