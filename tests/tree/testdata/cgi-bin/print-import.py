#!/usr/bin/python3
from pylib import page

page.line("the header is the module's")
