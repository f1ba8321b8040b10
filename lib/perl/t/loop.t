# The server's loop for what is usual, and its way back to the general one. A server is in that loop from its second
# executor on.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use POSIX  ();
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC);
use Launcher;

my $requests = 30;    # enough for a server to have learned what it can

# used($script) returns a server that has served so many.
sub used {
    my $server = Launcher->start(script => $_[0]);
    $server->call for 1 .. $requests;
    return $server;
}

sub reap { return pack 'a4 N N', 'reap', 4, $_[0]{id} }

# What the messages in $before, a `fork` and those in $after do, if all are sent as one.
sub fork_between {
    my ($server, $before, $after) = @_;
    socketpair my $call, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
    open my $null, '<', '/dev/null' or die "/dev/null: $!";
    pipe my $reader, my $out or die "pipe: $!";
    my $executor = { id => ++$server->{id}, call => $call, out => $reader, map { $_ => $null } qw(stdin stdout stderr) };
    Launcher::send_with($server->{ctl}, $before . pack('a4 N N', 'fork', 4, $executor->{id}) . $after,
        $theirs, $null, $out, $out);
    close $_ for $theirs, $out;
    is sysread($call, my $greeting, 8), 8, 'it greets';
    return $executor;
}

# Several messages at once.
my $server = used('print "x"; exit $ENV{STATUS}');
my @ended  = map { $server->fork } 1 .. 3;
$server->send($_, environment => { STATUS => 1 }) for @ended;
my $executor = fork_between($server, reap($ended[0]) . reap($ended[1]), reap($ended[2]));
for my $expected (@ended) {
    $server->_read_until('done');
    my ($id, $status) = unpack 'N N', $server->{done};
    is $id, $expected->{id}, 'each is reaped, in turn';
    is $status, 1 << 8, 'with its status';
}
$server->send($executor, environment => { STATUS => 2 });
is readline $executor->{out}, 'x', 'and the one that was asked for serves';
is $server->reap($executor)->{status}, 2 << 8, 'and is reaped';

# Ids that are not known, alone and before others.
syswrite $server->{ctl}, pack 'a4 N N', 'reap', 4, 9999;
my $two = fork_between($server, pack('a4 N N', 'reap', 4, 9999), '');
$server->send($two, environment => { STATUS => 3 });
is $server->reap($two)->{status}, 3 << 8, 'an id that is not known is ignored';

# A message in pieces.
my $three = $server->fork;
$server->send($three, environment => { STATUS => 4 });
for my $byte (split //, reap($three)) {
    syswrite $server->{ctl}, $byte;
    select undef, undef, undef, 0.002;
}
$server->_read_until('done');
is unpack('x4 N', $server->{done}), 4 << 8, 'a message that comes in pieces';
is $server->call(environment => { STATUS => 5 })->{status}, 5 << 8, 'and then one that does not';

# A request in pieces, none at all, and one that is too long for one message.
my $pieces = $server->fork;
$server->send($pieces, pieces => 1, environment => { STATUS => 6 });
is $server->reap($pieces)->{status}, 6 << 8, 'a request that comes in pieces';
my $unwanted = $server->fork;
close $unwanted->{call};
is $server->reap($unwanted)->{status}, 0, 'an executor that nobody wants';
my $long = $server->call(environment => { STATUS => 7, map { ("V$_" => 'v' x 1000) } 1 .. 100 });
is $long->{status}, 7 << 8, 'a long request';
is $server->stop, 0, 'the server ends';
is $server->log, '', 'and has said nothing';

# Faults.
my %fault = (
    'an unknown type'             => pack('a4 N', 'what', 0),
    'a payload that is too long'  => pack('a4 N', 'fork', 1 << 30),
    'an id that is not one'       => pack('a4 N a3', 'reap', 3, 'abc'),
    'a fork without a descriptor' => pack('a4 N N', 'fork', 4, 1),
);
for my $name (sort keys %fault) {
    my $fault = used('exit');
    syswrite $fault->{ctl}, $fault{$name};
    shutdown $fault->{ctl}, 1;
    is $fault->stop, 127 << 8, $name;
    like $fault->log, qr/^Proc::Prefork::Interp: the launcher has sent /, 'is reported';
}
for my $bad ("\0", "a\0\0", "a=b\0") {
    my $refuses = used('exit');
    my $process = $refuses->fork;
    Launcher::send_with($process->{call}, "\0" . pack('N/a', $bad), $process->{stdin});
    my $result = $refuses->reap($process);
    is $result->{status}, ($bad eq "\0" ? 0 : 127 << 8), 'a request that is one, or none';
}

done_testing;
