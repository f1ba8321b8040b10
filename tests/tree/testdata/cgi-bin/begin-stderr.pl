#!/usr/bin/perl
# So that warnings are seen in the browser.
BEGIN { open STDERR, '>&', STDOUT or die }
$| = 1;
print "Content-Type: text/plain\n\n";
warn "a warning for the browser\n";
