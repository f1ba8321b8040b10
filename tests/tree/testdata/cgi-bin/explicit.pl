#!/usr/bin/perl
use strict;
use Proc::Prefork::Interp;
my $before = 'set up';
prefork_initialisation_complete();
print "Content-Type: text/plain\n\n$before, then $ENV{QUERY_STRING}\n";
