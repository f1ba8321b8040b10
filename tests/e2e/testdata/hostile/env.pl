#!/usr/bin/perl
# SECRET: nobody is to see this source.
# Writes down that it has run, by whom, and all that it was given.
use strict;
use warnings;

sub visible { my ($text) = @_; $text =~ s/([^\x20-\x7e]|["\\])/sprintf '\x%02x', ord $1/ge; return $text }

binmode STDIN;
my $body = __FILE__ =~ /unread/ ? '' : do { local $/; <STDIN> } // '';
my $record = join '', map { visible($_) . "\n" } 'RUN=' . __FILE__, (map {"$_=$ENV{$_}"} sort keys %ENV), "ARGV=@ARGV", "STDIN=$body", '';
open my $runs, '>>', $ENV{RUNS} or die "cannot write $ENV{RUNS}: $!";
syswrite $runs, $record;
print "X-Ran: yes\nContent-Type: text/plain\n\nran\n";
