#!/usr/bin/python3
import multiprocessing
import os
import sys


def square(n):
    return n * n


print("Content-Type: text/plain\n", flush=True)
pid = os.fork()
if pid == 0:
    print("from the child", flush=True)
    os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
with multiprocessing.Pool(2) as pool:
    print(pool.map(square, range(5)))
