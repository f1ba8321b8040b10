#!/usr/bin/perl
use strict;
use warnings;
use Fcntl qw(:DEFAULT :flock);

sysopen my $lock, 'data/counter', O_RDWR | O_CREAT or die "cannot open: $!";
flock $lock, LOCK_EX or die "cannot lock: $!";
my $count = <$lock> || 0;
seek $lock, 0, 0;
truncate $lock, 0;
print {$lock} ++$count, "\n";
close $lock;
print "Content-Type: text/plain\n\nVisit number $count\n";
