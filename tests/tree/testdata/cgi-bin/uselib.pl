#!/usr/bin/perl
use strict;
use FindBin;
use lib "$FindBin::Bin/lib";
use Local::Greeting 'greet';

print "Content-Type: text/plain\n\n", greet('you'), "\n", join(' ', sort grep {/^Local/} keys %INC), "\n";
