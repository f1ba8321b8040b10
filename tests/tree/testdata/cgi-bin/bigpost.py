#!/usr/bin/env python3
import hashlib
import os
import sys

text = sys.stdin.buffer.read(int(os.environ["CONTENT_LENGTH"]))
sys.stdout.write("Content-Type: text/plain\n\n%d %s\n" % (len(text), hashlib.md5(text).hexdigest()))
