#!/usr/bin/perl
# Writes the file that PATH_INFO names, byte by byte, as a whole CGI response. What it
# is sent it reads first: mod_cgid may break off the answer of a script that does not.
use strict;
use warnings;

local $/;
my $unused = <STDIN>;
open my $output, '<:raw', "outputs$ENV{PATH_INFO}" or die "$ENV{PATH_INFO}: $!";
binmode STDOUT;
print <$output>;
