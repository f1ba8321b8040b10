#!/usr/bin/perl -w
$SIG{__WARN__} = sub { $said .= shift };
print "Content-Type: text/plain\n\n$^W\n";
my $sum = 1 + undef;
print $said =~ /uninitialized/ ? "warned\n" : "not warned\n";
