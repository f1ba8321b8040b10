#!/usr/bin/python3
import os
import sys

# The folder of the script is first in the path, and the script has the name of a module.
sys.path.pop(0)
import subprocess

print("Content-Type: text/plain\n", flush=True)
subprocess.run(["echo", "from a program"], check=True)
print(subprocess.run("echo $QUERY_STRING; exit 2", shell=True, capture_output=True, text=True).stdout, end="")
print(subprocess.check_output(["tr", "a-z", "A-Z"], input="through a pipe\n", text=True), end="")
print(os.popen("echo popen").read(), end="", flush=True)
os.system("echo system")
