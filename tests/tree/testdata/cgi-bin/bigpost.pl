#!/usr/bin/perl
use strict;
use Digest::MD5 'md5_hex';

binmode STDIN;
my ($text, $left) = ('', $ENV{CONTENT_LENGTH});
while ($left > 0) {
    my $n = read STDIN, $text, $left, length $text or last;
    $left -= $n;
}
print "Content-Type: text/plain\n\n", length $text, ' ', md5_hex($text), ' rest ', scalar(read STDIN, my $more, 1), "\n";
