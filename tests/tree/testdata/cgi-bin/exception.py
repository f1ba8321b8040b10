#!/usr/bin/python3
def work(what):
    return {}[what]


work("missing")
