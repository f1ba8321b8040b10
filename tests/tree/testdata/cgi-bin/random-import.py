#!/usr/bin/python3
import random
import uuid

print("Content-Type: text/plain\n")
print(f"late {random.randrange(10**9)}\n{uuid.uuid4().version}")
