#!/usr/bin/perl
BEGIN { open STDIN, '<', 'data/note.txt' or die; close STDERR }
print "Content-Type: text/plain\n\n", <STDIN>, defined fileno STDERR ? 'open' : 'closed', "\n";
