#!/usr/bin/perl
# An HTML::Mason site, made warm by one import and one call. The components are
# in ../mason; what follows the script's name in the URL chooses one.
use strict;
use warnings;

use FindBin;
use HTML::Mason::CGIHandler;
use JSON::PP    ();
use POSIX       ();
use Time::Piece ();
use Proc::Prefork::Interp;

my $site = "$FindBin::Bin/../mason";

# Loaded once, and every request has a copy of its own.
our $articles = JSON::PP::decode_json( slurp("$site/articles.json") );
our $set_up   = Time::Piece::localtime();

my $mason = HTML::Mason::CGIHandler->new(
    comp_root            => $site,
    default_escape_flags => 'h',
    error_mode           => 'fatal',    # an error is a 502 with its text in the log
);
$mason->interp->load($_) or die "no component $_\n" for qw(/autohandler /dhandler /index.html /search.html);

prefork_initialisation_complete();

$ENV{PATH_INFO} ||= '/';
$ENV{PATH_INFO} .= 'index.html' if $ENV{PATH_INFO} =~ m{/\z};
$mason->handle_request;

sub slurp {
    my ($file) = @_;
    open my $in, '<:raw', $file or die "cannot read $file: $!\n";
    local $/;
    return scalar <$in>;
}
