#!/usr/bin/perl -w
# Loads at run time, and not with `use`.
use strict;
our ($title, %colour, $hits);

$ENV{SHOP} = 'books';
my $lib = './lib';
my $name = $ENV{QUERY_STRING} || 'nobody';
unshift @INC, $lib;
require "$lib/shop.pl";

print "Content-Type: text/plain\n\n";
print "$title for $name: $colour{background}, hit ", ++$hits, "\n";
print "$ENV{SHOP} $INC[0] $INC{'./lib/shop.pl'}\n";
print price(12), "\n";
warn 'at its end';
