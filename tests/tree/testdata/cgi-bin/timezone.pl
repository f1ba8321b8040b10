#!/usr/bin/perl
use strict;
BEGIN { $ENV{TZ} = 'Asia/Kolkata' }
use POSIX qw(tzset strftime);
use Time::Local;
print "Content-Type: text/plain\n\n", scalar localtime 1_000_000_000, "\n";
$ENV{TZ} = 'America/New_York';
tzset();
print strftime('%Y-%m-%d %H:%M %Z', localtime 1_000_000_000), ' ', timelocal(0, 0, 0, 1, 0, 100), "\n";
