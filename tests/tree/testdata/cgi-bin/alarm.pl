#!/usr/bin/perl
use Time::HiRes qw(ualarm sleep);
print "Content-Type: text/plain\n\n";
eval {
    local $SIG{ALRM} = sub { die "too long\n" };
    ualarm 20_000;
    sleep 30;
};
print $@;
