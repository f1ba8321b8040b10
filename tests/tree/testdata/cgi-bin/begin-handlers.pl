#!/usr/bin/perl
use strict;
my @said;
BEGIN {
    binmode STDOUT, ':utf8';
    $SIG{__WARN__} = sub { push @said, "warned: $_[0]" };
    $SIG{__DIE__}  = sub { push @said, "died: $_[0]" };
    $SIG{TERM} = 'IGNORE';
    $SIG{USR2} = sub { push @said, "SIG$_[0]\n" };
    $, = '-'; $\ = "!\n"; $0 = 'renamed';
}
warn "w\n";
eval { die "d\n" };
kill TERM => $$;
kill USR2 => $$;
print "Content-Type: text/plain\n\n\x{e4}", 'b', $0, @said;
