#!/usr/bin/perl
use strict;
use Text::Wrap;
use POSIX 'strftime';

open my $file, '<', 'templates/page.tmpl' or die;
my $page = join '', <$file>;
$page =~ s/\[%(.*?)%\]/eval $1/ge;
print "Content-Type: text/plain\n\n", wrap('', '  ', $page), strftime('%Y', gmtime 86400 * 366), "\n";
