#!/usr/bin/perl -T
use strict;
use warnings;
$ENV{PATH} = '/usr/bin:/bin';
delete @ENV{qw(IFS CDPATH ENV BASH_ENV)};
print "Content-Type: text/plain\n\n${^TAINT}\n";
print eval { system "echo $ENV{QUERY_STRING}"; 1 } ? "not tainted\n" : $@ =~ /^(Insecure dependency)/, "\n";
my ($clean) = $ENV{QUERY_STRING} =~ /^(\w+)$/;
print `echo $clean`;
