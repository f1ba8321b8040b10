#!/usr/bin/python3
import os

os.environ["TZ"] = "Asia/Kolkata"
import datetime
import locale
import time

time.tzset()
print("Content-Type: text/plain\n")
print(time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(1_000_000_000)), datetime.datetime.fromtimestamp(0))
print(locale.setlocale(locale.LC_ALL, ""), locale.getpreferredencoding(False))
