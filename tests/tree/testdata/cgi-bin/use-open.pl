#!/usr/bin/perl
use strict;
use utf8;
use open qw(:std :encoding(UTF-8));
my $line = <STDIN>;
chomp $line;
print "Content-Type: text/plain; charset=utf-8\n\nnaïve ", length $line, ' ', scalar reverse($line), "\n";
print join(' ', PerlIO::get_layers(STDOUT)), "\n";
