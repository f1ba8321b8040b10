#!/usr/bin/perl
# What a process for each request can cost at the least on a machine: parked executors with nothing around them, no web
# server, no library, no limits. Executors of one perl that has loaded CGI.pm are forked ahead and wait for one message;
# each answers it into a pipe and ends. As many requests as there are clients are under way at any time.
#
#   perl tests/bench/sketch.pl CLIENTS SECONDS
use strict;
use warnings;

use CGI ();
use IO::Poll qw(POLLIN POLLHUP);
use POSIX ();
use Socket;
use Time::HiRes 'time';

my ($clients, $seconds) = @ARGV;
$seconds or die "usage: sketch.pl CLIENTS SECONDS\n";

my $message = join "\0", 'GATEWAY_INTERFACE=CGI/1.1', 'REQUEST_METHOD=GET', 'QUERY_STRING=', 'SCRIPT_NAME=/hello.pl',
    'SERVER_NAME=localhost', map { "HTTP_X_$_=value $_" } 1 .. 20;

my @parked;     # [socket, its output, process]
my %running;    # descriptor of the output => [..., start]
my @leaving;    # processes that have answered
my $poll = IO::Poll->new;

sub park {
    socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!\n";
    pipe my $output, my $stdout or die "pipe: $!\n";
    my $process = fork // die "fork: $!\n";
    if (!$process) {
        close $_ for $ours, $output, map { @$_[0, 1] } @parked, values %running;
        execute($theirs, $stdout);
    }
    push @parked, [$ours, $output, $process];
    return;
}

sub execute {
    my ($call, $stdout) = @_;
    open STDOUT, '>&', $stdout     or POSIX::_exit(1);
    open STDIN,  '<',  '/dev/null' or POSIX::_exit(1);
    close $stdout;
    srand;
    sysread $call, my $request, 65536 or POSIX::_exit(0);
    %ENV = split /[=\0]/, $request, -1;
    my $q    = CGI->new;
    my $name = $q->param('name') // 'world';
    print $q->header(-type => 'text/plain', -charset => 'utf-8'), "hello $name\n";
    $| = 1;    # writes
    POSIX::_exit(0);
}

sub start {
    my $executor = shift @parked;
    syswrite $executor->[0], $message or die "the executor is gone: $!\n";
    push @$executor, time;
    $running{ fileno $executor->[1] } = $executor;
    $poll->mask($executor->[1] => POLLIN);
    park();
    return;
}

park()  for 1 .. $clients + 4;
start() for 1 .. $clients;
my $end = time + $seconds;
my @latencies;
while (time < $end) {
    $poll->poll(1);
    for my $output ($poll->handles(POLLIN | POLLHUP)) {
        next if sysread $output, my $text, 65536;
        my $executor = delete $running{ fileno $output };
        push @latencies, time - $executor->[3];
        push @leaving,   $executor->[2];
        $poll->remove($output);
        start();
    }
    @leaving = grep { waitpid($_, POSIX::WNOHANG()) == 0 } @leaving;
}
close $_->[0] for @parked, values %running;
1 while wait > 0;
@latencies = sort { $a <=> $b } @latencies;
printf "%d clients: p50 %.2f ms, p99 %.2f ms, %.0f requests/s\n", $clients,
    map({ $latencies[$_ * @latencies] * 1e3 } .5, .99), @latencies / $seconds;
