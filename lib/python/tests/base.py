"""What the test cases share: a folder of their own, and a look for processes that are left."""

import os
import select
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from launcher import SOURCES, Launcher, plain

EXPLICIT = """\
import os, sys
from prefork_interp import *
"""


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()

    def write(self, text, name="script.py"):
        """Write a file into the folder of the test; return its path."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(text, str):
            text = textwrap.dedent(text).encode()
        path.write_bytes(text)
        return path

    def launch(self, text, fork_point="automatic", ready=True, **more):
        """Write a script and start it warm, until the test is over."""
        launcher = Launcher(self.write(text), fork_point, **more)
        self.addCleanup(self.close, launcher)
        if ready:
            launcher.ready()
        return launcher

    def close(self, launcher):
        launcher.close()
        for pid in members(launcher.process.pid):
            await_end(pid)
        self.assertEqual(members(launcher.process.pid), [], "processes are left")

    def run_once(self, text, fork_point="automatic", **more):
        """Launch a script, make one request, and return its answer."""
        return self.launch(text, fork_point, **more).run()


def members(leader):
    """Return the processes of a session that have not ended."""
    return [pid for pid in processes() if session(pid) == leader]


def await_end(pid):
    """Give a process that is about to end ten seconds for it."""
    try:
        end = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    select.select([end], [], [], 10)
    os.close(end)


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def session(pid):
    """Return the session of a process that has not ended, else 0."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[3])


sys.path.insert(0, str(SOURCES))
__all__ = ["EXPLICIT", "Case", "plain"]
