#!/usr/bin/perl
use lib 'lib';
use Local::Request;
print "Content-Type: text/plain\n\nthe module has seen: $Local::Request::query\n";
