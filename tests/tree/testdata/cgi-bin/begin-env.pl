#!/usr/bin/perl
BEGIN { $ENV{PATH} = '/bin:/usr/bin'; delete $ENV{LANG}; $ENV{APP_HOME} = '/srv/app'; $ENV{LC_ALL} = 'C' }
print "Content-Type: text/plain\n\n";
print "$_=", $ENV{$_} // '(none)', "\n" for qw(PATH LANG APP_HOME LC_ALL QUERY_STRING);
$| = 1;
system 'echo $PATH $LANG $APP_HOME $LC_ALL $QUERY_STRING';
