#!/usr/bin/python3 -uO
import logging
import sys

logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s", level=logging.INFO)
print("Content-Type: text/plain\n")
logging.info("to the client, %s", __debug__)
print(sys.flags.optimize, sys.stdout.write_through)
