#!/usr/bin/perl
print "Content-Type: application/octet-stream\n\n";
print pack('N*', $_ * 1024 .. $_ * 1024 + 1023) for 0 .. 511;
