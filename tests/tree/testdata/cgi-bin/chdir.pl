#!/usr/bin/perl
use strict;
use FindBin;

print "Content-Type: text/plain\n\n";
print -e 'hello.pl' ? "at home\n" : "elsewhere\n";
chdir '/' or die;
print -e 'hello.pl' ? "at home\n" : "elsewhere\n", "$FindBin::Bin/$FindBin::Script\n";
open my $file, '<', "$FindBin::Bin/data/note.txt" or die "no note: $!";
print <$file>;
