#!/usr/bin/perl
use strict;
use POSIX qw(setlocale LC_ALL LC_CTYPE LC_NUMERIC strtod);
use locale;
print "Content-Type: text/plain\n\n", setlocale(LC_CTYPE) // '?', ' ', setlocale(LC_NUMERIC) // '?', "\n";
setlocale(LC_ALL, 'C');
printf "%.2f %s %s\n", 3.14159, lc "\xC4" eq "\xE4" ? 'latin' : 'ascii', POSIX::localeconv()->{decimal_point};
