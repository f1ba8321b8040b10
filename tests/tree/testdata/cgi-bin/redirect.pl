#!/usr/bin/perl
use CGI;
my $q = CGI->new;
print $q->redirect(-uri => 'https://example.org/there?a=b', -status => '303 See Other');
