#!/usr/bin/perl
BEGIN { srand 42 }
print "Content-Type: text/plain\n\n", join(' ', map { int rand 1000 } 1 .. 5), "\n";
