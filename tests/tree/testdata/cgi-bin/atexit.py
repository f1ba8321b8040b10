#!/usr/bin/python3
import atexit
import sys

atexit.register(print, "registered at last")
atexit.register(lambda: print("then this"))
print("Content-Type: text/plain\n")
sys.stderr.write("to the log\n")
print("main")
