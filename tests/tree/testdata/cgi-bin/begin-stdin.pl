#!/usr/bin/perl
my $body;
BEGIN { local $/; $body = <STDIN> }
print "Content-Type: text/plain\n\nread at compile time: ", $body // 'nothing', "\n";
