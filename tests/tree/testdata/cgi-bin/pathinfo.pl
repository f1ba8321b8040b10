#!/usr/bin/perl
print "Content-Type: text/plain\n\n";
print "$_=", $ENV{$_} // '(none)', "\n" for qw(PATH_INFO PATH_TRANSLATED SCRIPT_NAME SCRIPT_FILENAME QUERY_STRING REQUEST_URI);
