# When a script must not be warm, and why.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Launcher;

sub reason {
    my ($text, %o) = @_;
    my $server = Launcher->start(script => $text, %o);
    is $server->stop, $o{status} // 0, 'status';
    my $path = quotemeta $server->{path};
    return $server->{cold} =~ s/$path/SCRIPT/gr if defined $server->{cold};
    return $server->{ready} ? 'warm' : 'gone';
}

my %cold = (
    'my $x = $ENV{QUERY_STRING}'                 => 'reads QUERY_STRING',
    'my $x = "$ENV{HTTP_HOST}"'                  => 'reads HTTP_HOST',
    'my $x = exists $ENV{REMOTE_USER}'           => 'asks for REMOTE_USER',
    '$ENV{SCRIPT_NAME} = "/"'                    => 'writes SCRIPT_NAME',
    'delete $ENV{HTTPS}'                         => 'deletes HTTPS',
    'local $ENV{SERVER_PORT} = 80'               => 'asks for SERVER_PORT',
    'my @x = keys %ENV'                          => 'lists the environment',
    'my %x = %ENV'                               => 'lists the environment',
    'while (my ($n, $v) = each %ENV) { last }'   => 'lists the environment',
    'my $r = \%ENV; my $x = $r->{PATH_INFO}'     => 'reads PATH_INFO',
    '%ENV = (A => 1)'                            => 'clears the environment',
    'delete @ENV{qw(IFS AUTH_TYPE)}'             => 'deletes AUTH_TYPE',
    'my $x = "$ENV{DOCUMENT_ROOT}/x"'            => 'reads DOCUMENT_ROOT',
    'my $x = $ENV{DOCUMENT_ROOT} || "/x"'        => 'reads DOCUMENT_ROOT',
);
for my $statement (sort keys %cold) {
    is reason("\n\nBEGIN { $statement }"), "setup $cold{$statement} at SCRIPT:3", $statement;
}
is reason('BEGIN { my $x = $ENV{HTTP_A}; $x = $ENV{HTTP_B} }'), 'setup reads HTTP_A at SCRIPT:1', 'the first counts';

my @warm = (
    'my $x = $ENV{SERVER_SOFTWARE}', '$ENV{PATH} = "/bin"', 'delete @ENV{qw(IFS CDPATH ENV BASH_ENV)}',
    'my $x = $ENV{HTTPD_THING} // $ENV{MOD_PERL} // $ENV{GATEWAY_INTERFACE}', 'my $x = %ENV ? 1 : 0',
    'our $kept = \$ENV{PATH}', 'system "true"', 'eval { die }', '$SIG{__DIE__} = sub { exit 9 }',
);
is reason("BEGIN { $_ } exit"), 'warm', $_ for @warm;
is reason('BEGIN { our $x = $ENV{DOCUMENT_ROOT} } exit'), 'setup keeps the value of DOCUMENT_ROOT', 'a value that is kept';
is reason('BEGIN { my %o = (root => $ENV{DOCUMENT_ROOT}, root => "/x"); undef %o } exit'), 'warm', 'a value that is not used';
is reason('print $ENV{QUERY_STRING}'), 'warm', 'after the fork point all may be read';

for my $module (grep { eval "require $_; 1" } qw(CGI CGI::Carp HTML::Mason POSIX Encode DBI CGI::Util File::Temp Storable Time::Local)) {
    is reason("use $module; exit"), 'warm', "use $module";
}
for my $gitweb (grep { -e } '/usr/share/gitweb/gitweb.cgi') {
    my $server = Launcher->start(path => $gitweb);
    ok $server->{ready}, 'gitweb is warm' or diag $server->{cold} // $server->log;
    my $result = $server->call(environment => { GATEWAY_INTERFACE => 'CGI/1.1', REQUEST_METHOD => 'GET', PATH => $ENV{PATH},
        SCRIPT_NAME => '/gitweb', SERVER_NAME => 'x', GITWEB_CONFIG => '/dev/null' });
    like $result->{stdout}, qr/^Status: |^Content-Type: /i, 'and answers';
}

is reason('use CGI; BEGIN { my $q = CGI->new }') =~ /^setup reads \w+ at \S+:\d+$/ ? 1 : 0, 1, 'CGI->new in setup';
is reason('BEGIN { die "no" }', status => 255 << 8), 'gone', 'an error';
is reason('BEGIN { exit 3 }',   status => 3 << 8),   'gone', 'an end';
is reason('this is no perl',    status => 255 << 8), 'gone', 'a syntax error';
like reason('exit', environment => { PREFORK_INTERP_TEST_TRANSPORT => 'none' }), qr/libio-fdpass-perl/, 'no way for descriptors';

my $kept = Launcher->start(script => 'BEGIN { our $kept = \$ENV{X} } our $kept; print $$kept; $$kept = 5; print $ENV{X}');
is $kept->call(environment => { X => 3 })->{stdout}, '35', 'a reference to an element means the real one afterwards';

done_testing;
