#!/usr/bin/python3
import os
import sqlite3

db = sqlite3.connect("data/python.db")
with db:
    db.execute("CREATE TABLE IF NOT EXISTS visit (name TEXT)")
    db.execute("INSERT INTO visit VALUES (?)", (os.environ["QUERY_STRING"],))
print("Content-Type: text/plain\n")
print(db.execute("SELECT count(*), max(name) FROM visit").fetchone())
