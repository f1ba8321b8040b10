#!/usr/bin/python3
import pylib.heartbeat

print("Content-Type: text/plain\n")
print("the thread answers:", pylib.heartbeat.ask(21))
