#!/usr/bin/perl
$| = 1;
print "Content-Type: text/plain\n\n";
my $text = `echo from a shell; exit 2`;
print $text, $? >> 8, "\n";
system 'echo', 'from system';
print $? >> 8, "\n";
open my $out, '|-', 'tr a-z A-Z' or die;
print {$out} "through a pipe\n";
close $out;
exec 'echo', 'the end';
