#!/usr/bin/perl
$| = 1;
print "HTTP/1.1 203 From elsewhere\r\nContent-Type: text/plain\r\nX-Raw: yes\r\nConnection: close\r\n\r\nnot parsed\n";
