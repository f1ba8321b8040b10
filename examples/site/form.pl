#!/usr/bin/perl
# A form, made warm by one import and one call. Run by hand it works as ever:
#     REQUEST_METHOD=GET QUERY_STRING=name=you ./form.pl
use strict;
use warnings;

use CGI ();
use IO::File;    # the library uses it in each call; here it is loaded once
use Proc::Prefork::Interp;

my $started = time;
my $server  = $$;

prefork_initialisation_complete();

# From here on: once per request, in a process of its own.
my $q       = CGI->new;
my $name    = $q->param('name')    // '';
my $message = $q->param('message') // '';

print $q->header( -type => 'text/html', -charset => 'utf-8' );
print page(
    $name eq '' && $message eq '' ? form() : answer( $name, $message ),
    sprintf 'process %d, forked from a script that was set up %d s ago by process %d',
    $$, time - $started, $server
);

sub form {
    return <<'HTML';
<form method="post">
<label>Your name <input name="name" autofocus></label>
<label>Message <textarea name="message" rows="4"></textarea></label>
<button>Send</button>
</form>
HTML
}

sub answer {
    my ( $who, $what ) = map { CGI::escapeHTML($_) } @_;
    my $words = () = $what =~ /\S+/g;
    return "<p>Thank you, <b>$who</b>. Your message has $words words:</p><pre>$what</pre><p><a href=\"\">Again</a></p>";
}

sub page {
    my ( $body, $footer ) = @_;
    return <<"HTML";
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>A form</title><link rel="stylesheet" href="/style.css"></head>
<body><h1>A form</h1>
$body
<footer>$footer. <a href="/">Back</a></footer>
</body></html>
HTML
}
