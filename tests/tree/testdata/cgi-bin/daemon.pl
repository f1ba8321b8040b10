#!/usr/bin/perl
use strict;
use POSIX 'setsid';
my $pid = fork // die;
if (!$pid) {
    setsid();
    open STDIN,  '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    $SIG{ALRM} = 'DEFAULT';
    alarm 120;    # should nobody kill it
    sleep 300 while 1;
}
print "Content-Type: text/plain\n\ndaemon $pid\n";
