#!/usr/bin/perl
BEGIN { open STDERR, '>>', 'data/error.log' or die; select((select(STDERR), $| = 1)[0]) }
warn "request with $ENV{QUERY_STRING}\n";
system 'echo from a program >&2';
open my $log, '<', 'data/error.log' or die;
print "Content-Type: text/plain\n\n", <$log>;
