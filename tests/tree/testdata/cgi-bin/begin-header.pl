#!/usr/bin/perl
# So that whatever goes wrong later is seen in the browser.
BEGIN { $| = 1; print "Content-Type: text/html\n\n" }
use CGI;
print "<p>Hello, ", CGI->new->param('name') // 'world', "\n";
