#!/usr/bin/perl -w
use strict;
print "Content-Type: text/plain\r\n\r\n";
print <<EOT;
with carriage returns
EOT
