#!/usr/bin/perl
BEGIN { print "Content-Type: text/plain\n\nBEGIN\n" }
INIT { print "INIT\n" }
CHECK { print "CHECK\n" }
UNITCHECK { print "UNITCHECK\n" }
END { print "END $?\n"; $? = 0 }
{
    package Guard;
    sub DESTROY { print "DESTROY\n" }
}
our $guard = bless {}, 'Guard';
print "main\n";
exit 4;
