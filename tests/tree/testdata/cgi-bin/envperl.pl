#!/usr/bin/env perl
use strict;
print "Content-Type: text/plain\n\nfound by env: $^X\n";
