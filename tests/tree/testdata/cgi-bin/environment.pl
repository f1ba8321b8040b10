#!/usr/bin/perl
# Apache breaks the answer off if a script leaves some of its input unread.
read STDIN, my $body, $ENV{CONTENT_LENGTH} || 0;
print "Content-Type: text/plain\n\n";
print map { "$_=$ENV{$_}\n" } sort keys %ENV;
