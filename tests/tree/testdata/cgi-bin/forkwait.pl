#!/usr/bin/perl
$| = 1;
print "Content-Type: text/plain\n\n";
for my $n (1 .. 3) {
    my $pid = fork // die;
    if (!$pid) { print "child $n\n"; exit $n }
    waitpid $pid, 0;
    print "status ", $? >> 8, "\n";
}
print wait, "\n";
