#!/usr/bin/perl
use strict;
use threads;
use threads::shared;
my $sum :shared = 0;
$_->join for map { my $n = $_; threads->create(sub { lock $sum; $sum += $n }) } 1 .. 4;
print "Content-Type: text/plain\n\nsum $sum, ", scalar(threads->list), " left\n";
