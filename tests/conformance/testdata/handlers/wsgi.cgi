#!/usr/bin/python3
# Says what a WSGI application is told, with wsgiref's validator between it and
# wsgiref's CGI handler: what the validator dislikes becomes a status 500.
from wsgiref.handlers import CGIHandler
from wsgiref.validate import validator


def application(environ, start_response):
    length = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(length)) if length else b""
    names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH",
             "SERVER_PROTOCOL", "SERVER_NAME", "HTTP_X_WORD", "HTTP_COOKIE", "wsgi.url_scheme", "wsgi.run_once")
    lines = ["%s=%r" % (name, environ.get(name)) for name in names] + [repr(body)]
    environ["wsgi.errors"].write("an application's word\n")
    start_response("203 Some Word", [("Content-Type", "text/plain"), ("X-Two", "1"), ("X-Two", "2")])
    return [("\n".join(lines) + "\n").encode()]


CGIHandler().run(validator(application))
