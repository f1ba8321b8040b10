#!/usr/bin/perl
use Carp;
print STDERR "to the log\n";
warn 'a warning';
carp 'a complaint';
print "Content-Type: text/plain\n\nto the client\n";
