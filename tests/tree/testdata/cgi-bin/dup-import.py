#!/usr/bin/python3
import pylib.tostdout
import os
import sys

print("Content-Type: text/plain\n", flush=True)
print("errors too", file=sys.stderr, flush=True)
os.system("echo and those of programs >&2")
