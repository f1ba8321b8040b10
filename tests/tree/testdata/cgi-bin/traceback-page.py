#!/usr/bin/python3
import sys
import traceback


def inner():
    raise ValueError("a thing has happened")


print("Status: 500 It went wrong\nContent-Type: text/plain\n")
try:
    inner()
except ValueError:
    traceback.print_exc(file=sys.stdout)
print(len(traceback.extract_stack()), "frames")
