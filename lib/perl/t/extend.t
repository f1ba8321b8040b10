# Asking the launcher for more time.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Socket;
use Test::More;
use Launcher;

my $name = "prefork-test-$$";
socket my $bell, AF_UNIX, SOCK_STREAM, 0 or die "socket: $!";
bind $bell, pack 'S a*', AF_UNIX, "\0$name" or die "bind: $!";
listen $bell, 5 or die "listen: $!";

my $script = <<'SCRIPT';
use Proc::Prefork::Interp qw(prefork_initialisation_complete prefork_extend);
prefork_initialisation_complete();
$! = 5;
my $granted = prefork_extend($ARGV[0]);
print $granted ? 'yes' : 'no', $! + 0, join ',', grep { /PREFORK|prefork-test/ } %ENV;
SCRIPT

# ask($server, $seconds, $answer) returns what the script has said, and has asked for.
sub ask {
    my ($server, $seconds, $answer) = @_;
    my $executor = $server->fork;
    $server->send($executor, arguments => [$seconds]);
    my $wish;
    if (defined $answer) {
        accept my $script, $bell or die "accept: $!";
        sysread $script, $wish, 9;
        syswrite $script, $answer;
        close $script;
    }
    return $server->reap($executor), $wish;
}

for my $switch ('-w', '-T') {
    my $server = Launcher->start(mode => 'explicit', script => $script, switches => [$switch], settings => ["extend=$name"]);
    ok $server->{ready}, "ready under $switch" or diag $server->log;
    for (['1.5', "\1", 'yes5', 1500], ['9e9', "\1", 'yes5', 0xffffffff], [60, "\0", 'no5', 60_000], [60, '', 'no5', 60_000]) {
        my ($seconds, $answer, $said, $wanted) = @$_;
        my ($result, $wish) = ask($server, $seconds, $answer);
        is $result->{stdout}, $said, "$seconds: what the launcher says";
        is $wish, pack('N', $wanted), "$seconds: what is asked for";
        is_deeply [@$result{qw(status stderr)}], [0, ''], "$seconds: nothing else";
    }
    my ($result) = ask($server, 0);
    is $result->{stdout}, 'no5', 'no time at all is not asked for';
}
close $bell;
for my $settings (["extend=$name"], []) {
    my $server = Launcher->start(mode => 'explicit', script => $script, settings => $settings);
    my ($result) = ask($server, 60);
    is_deeply [@$result{qw(stdout status)}], ['no5', 0], 'nobody is there';
}
is_deeply [`$^X -Ilib -e 'use Proc::Prefork::Interp "prefork_extend"; print prefork_extend(9) ? 1 : 0'`], [0], 'standalone';
done_testing;
