#!/usr/bin/perl
print "Content-Type: text/plain\n\nall is said\n";
exit 3;
