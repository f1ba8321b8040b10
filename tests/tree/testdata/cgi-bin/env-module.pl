#!/usr/bin/perl
use strict;
use English;
use Env qw(QUERY_STRING @PATH);
print "Content-Type: text/plain\n\n$QUERY_STRING $PATH[0] ", scalar @PATH, " $PROGRAM_NAME\n";
