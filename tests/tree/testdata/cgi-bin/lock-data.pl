#!/usr/bin/perl
use Fcntl ':flock';
# One at a time: the script itself is the lock.
flock DATA, LOCK_EX | LOCK_NB or die "somebody else has it: $!";
print "Content-Type: text/plain\n\n", <DATA>;
__DATA__
locked
