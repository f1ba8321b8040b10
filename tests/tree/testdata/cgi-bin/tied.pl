#!/usr/bin/perl
use strict;
use IO::Handle;
use Storable qw(dclone);
our @AUTOLOADED;
sub AUTOLOAD { our $AUTOLOAD; push @AUTOLOADED, $AUTOLOAD =~ s/.*:://r; return }
local $SIG{__DIE__} = sub { print "handler: $_[0]" };
STDOUT->autoflush(1);
STDOUT->print("Content-Type: text/plain\n\n");
undefined_function(1);
eval { die "caught\n" };
print "@AUTOLOADED | $@", ref dclone({ a => [1] }), "\n";
format STDOUT =
@<<<<<< @>>>>>
"left", "right"
.
write;
