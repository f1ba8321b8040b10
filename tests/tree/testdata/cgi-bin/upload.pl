#!/usr/bin/perl
use strict;
use warnings;
use CGI;
use Digest::MD5;

my $q    = CGI->new;
my $file = $q->upload('file') or die 'no file';
my $info = $q->uploadInfo($q->param('file'));
binmode $file;
print $q->header('text/plain');
print $q->param('file'), ' of ', $info->{'Content-Type'}, ' ', Digest::MD5->new->addfile($file)->hexdigest, "\n";
