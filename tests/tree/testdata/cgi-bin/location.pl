#!/usr/bin/perl
print "Location: /hello.pl?redirected\n\n";
