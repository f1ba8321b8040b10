#!/usr/bin/env -S perl -w
print "Content-Type: text/plain\n\nfound by env -S: $^X $^W\n";
