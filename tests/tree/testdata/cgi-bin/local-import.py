#!/usr/bin/python3
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "pylib"))
import greeting
from pylib import marked

print("Content-Type: text/plain\n")
print(greeting.greet("you"), marked.TEXT, os.path.basename(greeting.__file__))
