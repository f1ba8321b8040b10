#!/usr/bin/perl
use CGI::Carp qw(fatalsToBrowser set_message);
BEGIN { set_message('Tell the administrator.') }
my $n = length $ENV{QUERY_STRING};
die "a thing has happened, $n";
