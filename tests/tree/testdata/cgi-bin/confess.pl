#!/usr/bin/perl
use Carp qw(longmess cluck);
sub inner { return longmess('here') }
sub outer { return inner(@_) }
print "Content-Type: text/plain\n\n", outer(1, 'two');
my @frames;
for (my $i = 0; my @frame = caller $i; $i++) { push @frames, $frame[3] }
print scalar(@frames), " frames\n";
