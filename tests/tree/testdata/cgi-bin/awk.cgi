#!/usr/bin/awk -f
BEGIN {
	print "Content-Type: text/plain\n"
	print "Hello from awk,", ENVIRON["QUERY_STRING"]
}
