#!/bin/sh
#! -*- perl -*- -p
eval 'exec /usr/bin/perl -x -wS $0 ${1+"$@"}'
    if 0;

print "Content-Type: text/plain\n\nA shell has found perl: $^W, $ENV{QUERY_STRING}\n";
