#!/usr/bin/perl
BEGIN { $SIG{CHLD} = 'IGNORE' }
$| = 1;
print "Content-Type: text/plain\n\n";
print "system: ", system('echo from system; exit 3'), " $SIG{CHLD}\n";
my $pid = fork // die;
exit 5 if !$pid;
print "waitpid: ", waitpid($pid, 0), " $?\n";
