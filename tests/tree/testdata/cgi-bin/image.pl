#!/usr/bin/perl
use MIME::Base64;
my $png = decode_base64('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==');
binmode STDOUT;
print "Content-Type: image/png\nContent-Length: ", length $png, "\nCache-Control: max-age=60\n\n", $png;
