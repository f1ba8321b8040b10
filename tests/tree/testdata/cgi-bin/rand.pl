#!/usr/bin/perl
my $early;
BEGIN { $early = int rand 1e9 }
my $late = int rand 1e9;
print "Content-Type: text/plain\n\nearly $early\nlate $late\n", $early == $late ? "the same\n" : "different\n";
