#!/usr/bin/python3
# A loop as FastCGI has it, made warm by it: a process answers several requests,
# one after the other, if the Caddyfile lets it. Run by hand it answers one:
#     REQUEST_METHOD=GET QUERY_STRING=name=you ./hello.py
import os
from html import escape
from urllib.parse import parse_qs

import prefork_interp

server = os.getpid()
answered = 0

# From here on: as many times as there are requests, in processes forked here.
while prefork_interp.accept():
    answered += 1
    name = escape(parse_qs(os.environ.get("QUERY_STRING", "")).get("name", [""])[0])
    print(f"""\
Content-Type: text/html; charset=utf-8

<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>A loop in Python</title><link rel="stylesheet" href="/style.css"></head>
<body><h1>A loop in Python</h1>
<form><label>Your name <input name="name" autofocus></label> <button>Send</button></form>
<p>{f"Hello, <b>{name}</b>." if name else "Who are you?"}</p>
<footer>request {answered} of process {os.getpid()}, forked by process {server}. <a href="/">Back</a></footer>
</body></html>""")
