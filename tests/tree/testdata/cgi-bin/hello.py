#!/usr/bin/python3
print("Content-Type: text/plain; charset=utf-8\n")
print("Hello, wörld")
