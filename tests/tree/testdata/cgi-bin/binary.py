#!/usr/bin/python3
import sys
import zlib

body = zlib.compress(bytes(range(256)) * 64)
sys.stdout.buffer.write(b"Content-Type: application/zlib\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
