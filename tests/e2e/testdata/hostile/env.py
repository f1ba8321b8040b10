#!/usr/bin/python3
# SECRET: nobody is to see this source.
# Writes down that it has run, by whom, and all that it was given.
import os
import sys


def visible(text):
    return "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else "\\x%02x" % b for b in text)


record = [b"RUN=" + os.fsencode(__file__)]
record += [name + b"=" + value for name, value in sorted(os.environb.items())]
record += [b"ARGV=" + os.fsencode(" ".join(sys.argv[1:])), b"STDIN=" + sys.stdin.buffer.read(), b""]
with open(os.environ["RUNS"], "ab", buffering=0) as runs:
    runs.write("".join(visible(line) + "\n" for line in record).encode())
print("X-Ran: yes\nContent-Type: text/plain\n\nran")
