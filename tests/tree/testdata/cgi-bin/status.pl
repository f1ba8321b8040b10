#!/usr/bin/perl
$| = 1;
print "Status: 404 No such thing\r\nContent-Type: text/plain\r\nX-Two: 1\r\nX-Two: 2\r\n\r\nThere is no such thing.\n";
