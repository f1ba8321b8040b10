#!/usr/bin/python3
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
import cgi
import html

form = cgi.FieldStorage()
print("Content-Type: text/html\n")
for name in sorted(form):
    print("<p>%s: %s" % (html.escape(name), html.escape(", ".join(form.getlist(name)))))
