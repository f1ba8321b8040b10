#!/usr/bin/python3
import os
import signal
import time

heard = []
signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))


def too_long(number, frame):
    raise TimeoutError("too long")


signal.signal(signal.SIGALRM, too_long)
os.kill(os.getpid(), signal.SIGUSR1)
print("Content-Type: text/plain\n")
try:
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    time.sleep(30)
except TimeoutError as error:
    print(error, heard == [signal.SIGUSR1], signal.pthread_sigmask(signal.SIG_BLOCK, []))
