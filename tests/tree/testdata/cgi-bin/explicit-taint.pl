#!/usr/bin/perl -wT
use strict;
use Proc::Prefork::Interp;
prefork_initialisation_complete();
print "Content-Type: text/plain\n\n${^TAINT} $ENV{QUERY_STRING}\n";
