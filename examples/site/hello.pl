#!/usr/bin/perl
# A loop as FastCGI has it, made warm by it: a process answers several requests,
# one after the other, if the Caddyfile lets it. Run by hand it answers one:
#     REQUEST_METHOD=GET QUERY_STRING=name=you ./hello.pl
use strict;
use warnings;

use CGI ();
use Proc::Prefork::Interp;

my $server   = $$;
my $answered = 0;

# From here on: as many times as there are requests, in processes forked here.
while ( prefork_accept() ) {
    $answered++;
    CGI::initialize_globals();    # CGI.pm remembers the parameters of the last request
    my $q     = CGI->new;
    my $name  = CGI::escapeHTML( scalar $q->param('name') // '' );
    my $hello = $name eq '' ? 'Who are you?' : "Hello, <b>$name</b>.";
    print $q->header( -type => 'text/html', -charset => 'utf-8' ), <<"HTML";
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>A loop in Perl</title><link rel="stylesheet" href="/style.css"></head>
<body><h1>A loop in Perl</h1>
<form><label>Your name <input name="name" autofocus></label> <button>Send</button></form>
<p>$hello</p>
<footer>request $answered of process $$, forked by process $server. <a href="/">Back</a></footer>
</body></html>
HTML
}
