#!/usr/bin/perl
use strict;
use warnings;

print "Content-Type: text/html\n\n";
print "<html><body>Hello, ", ($ENV{QUERY_STRING} || 'world'), "</body></html>\n";
