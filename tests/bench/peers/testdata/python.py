#!/usr/bin/python3
# A page with the imports of a small application.
import datetime
import decimal
import email.message
import html
import http.cookies
import json
import logging
import os
import re
import sqlite3
import sys
import urllib.parse


def page(environ):
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
    return "hello " + html.escape(query.get("name", ["world"])[0]) + "\n"


#### Once above, for each request below.
sys.stdout.write("Content-Type: text/plain; charset=utf-8\r\n\r\n" + page(os.environ))
