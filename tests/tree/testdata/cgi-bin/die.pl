#!/usr/bin/perl
use strict;
my $x = {};
die 'it went wrong' unless $x->{missing};
