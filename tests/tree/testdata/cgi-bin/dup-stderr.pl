#!/usr/bin/perl
use lib 'lib';
use IO::Handle;
use Local::Log;
Local::Log::say_it('a line for the log');
open STDERR, '>&', STDOUT or die;
$_->autoflush for *STDOUT, *STDERR;
print "Content-Type: text/plain\n\n";
print STDERR "both go to the client now\n";
print "log is open: ", Local::Log::say_it('another') ? 'yes' : 'no', "\n";
