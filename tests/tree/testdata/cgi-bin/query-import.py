#!/usr/bin/python3
from pylib import request

print("Content-Type: text/plain\n\nthe module has seen:", request.query)
