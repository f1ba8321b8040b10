#!/usr/bin/perl
# Tells all that it is given: variables, arguments, folder, stdin.
use strict;
use warnings;
use Cwd;

sub visible { my ($text) = @_; $text =~ s/([^\x20-\x7e])/sprintf '\x%02x', ord $1/ge; return $text }

binmode STDIN;
my $body = do { local $/; <STDIN> } // '';
print "Content-Type: text/plain\n\nENV\n";
print map { visible("$_=$ENV{$_}") . "\n" } sort keys %ENV;
print 'argv=', join('|', map { visible($_) } @ARGV), "\n", 'cwd=', getcwd, "\n";
print 'stdin=', length $body, ' bytes, ', visible(substr $body, 0, 100), "\n";
