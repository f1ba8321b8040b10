# Plack's own tests of a server, against one that runs plack.cgi:
# plack.pl URL, which is the script's. Prints TAP: each test is a subtest.
use strict;
use warnings;
use Test::More;
use Plack::LWPish;
use Plack::Test::Suite;
use URI;

my $base = URI->new($ARGV[0]);
$ENV{PLACK_TEST_SCRIPT_NAME} = $base->path;
my $client = Plack::LWPish->new(no_proxy => ['127.0.0.1']);

my $number = 0;
Plack::Test::Suite->runtests(sub {
    my ($name, $test) = @_;
    my $i = $number++;
    subtest $name => sub {
        $test->(sub {
            my $request = shift;
            $request->uri->port($base->port);
            $request->uri->path($base->path . $request->uri->path);
            $request->header('X-Plack-Test' => $i);
            return $client->request($request);
        });
        done_testing;
    };
});
done_testing;
