#!/usr/bin/perl
use strict;
use warnings;
use CGI;
use CGI::Cookie;

my %had = CGI::Cookie->fetch;
my $new = CGI::Cookie->new(-name => 'session', -value => 'a b;c', -path => '/', -httponly => 1);
print CGI->new->header(-type => 'text/plain', -cookie => [$new, CGI->new->cookie(-name => 'two', -value => 2)]);
print join("\n", map { "$_=" . $had{$_}->value } sort keys %had), "\n";
