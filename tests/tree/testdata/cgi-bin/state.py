#!/usr/bin/python3
"""What a script can see of how it was started."""
import os
import signal
import sys

print("Content-Type: text/plain\n")
print("name", __name__, "file", __file__, "doc", __doc__, "argv", sys.argv, "orig", sys.orig_argv[1:])
print("path", sys.path, "flags", sys.flags)
print("modules", sorted(name for name in sys.modules if not name.startswith("encodings")))
print("globals", sorted(globals()), "main", sys.modules["__main__"].__dict__ is globals(), "cached", __cached__)
print("stdin", repr(sys.stdin.read()), sys.stdin.encoding, sys.stdout.encoding, sys.stdout.errors, sys.stdout.line_buffering)
print("signals", [s.name for s in signal.Signals if signal.getsignal(s) not in (signal.SIG_DFL, None)])
print("cwd", os.getcwd(), "descriptors", [n for n in range(10) if os.path.exists(f"/proc/self/fd/{n}")])
