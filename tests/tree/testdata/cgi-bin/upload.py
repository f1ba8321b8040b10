#!/usr/bin/python3 -W ignore
import cgi, hashlib

item = cgi.FieldStorage()["file"]
print("Content-Type: text/plain\n")
print(item.filename, item.type, hashlib.md5(item.file.read()).hexdigest())
