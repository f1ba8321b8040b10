#!/usr/bin/perl
use strict;
use POSIX ();
my $heard = '';
$SIG{$_} = sub { $heard .= "$_[0] " } for qw(USR1 HUP TERM INT PIPE CHLD);
kill $_ => $$ for qw(USR1 HUP TERM INT);
pipe my $r, my $w;
close $r;
syswrite $w, 'x';
print "Content-Type: text/plain\n\n$heard", $!{EPIPE} ? 'EPIPE' : 'no EPIPE', "\n";
my $mask = POSIX::SigSet->new;
POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new, $mask);
print join(' ', 'blocked:', grep { $mask->ismember($_) } 1 .. 31), "\n";
