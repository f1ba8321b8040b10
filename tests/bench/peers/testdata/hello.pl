#!/usr/bin/perl
# The page as CGI.pm's users write it.
use strict;
use warnings;
use CGI;

#### Once above, for each request below.
my $q = CGI->new;
my $name = $q->param('name') // 'world';
print $q->header( -type => 'text/plain', -charset => 'utf-8' ), "hello $name\n";
