# One call, in both ways to a fork point: what a request has arrives, and how it ends is told.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Launcher;

# The same script with either fork point.
sub both {
    my ($test, $name, $text) = @_;
    for my $mode (qw(automatic explicit)) {
        my $head = $mode eq 'explicit'
            ? 'use Proc::Prefork::Interp; prefork_initialisation_complete();' : '';
        my $launcher = Launcher->start(mode => $mode, switches => ['-w'], script => "$head$text");
        subtest "$name, $mode" => sub { $test->($launcher, $mode) };
        is $launcher->stop, 0, 'the server ends with status 0';
        is $launcher->log, '', 'and has said nothing';
    }
}

both(sub {
    my ($launcher) = @_;
    my %environment = (QUERY_STRING => 'a=b=c', EMPTY => '', HTTP_X => "line\nline");
    my $result = $launcher->call(environment => \%environment, arguments => ['a b', '', "\xff"]);
    is $result->{stdout}, "EMPTY=,HTTP_X=line\nline,QUERY_STRING=a=b=c|a b,,\xff", 'all is there, and no more';
    is $launcher->call->{stdout}, '|', 'a call with nothing';
}, 'environment and arguments', 'print join(",", map { "$_=$ENV{$_}" } sort keys %ENV), "|", join ",", @ARGV;');

both(sub {
    my ($launcher) = @_;
    my $bytes = join '', map { chr } 0 .. 255;
    for my $data ('', $bytes, $bytes x 12345) {
        ok $launcher->call(stdin => $data)->{stdout} eq $data, length($data) . ' bytes';
    }
    my $data = $bytes x 8000;
    pipe my $stdin, my $writer or die $!;
    my $pid = fork // die $!;
    if (!$pid) { syswrite $writer, $data; POSIX::_exit(0) }
    close $writer;
    ok $launcher->call(stdin => $stdin)->{stdout} eq $data, 'from a pipe';
    waitpid $pid, 0;
}, 'stdin', 'local $/; print <STDIN>;');

both(sub {
    my ($launcher) = @_;
    my $big = 'x' x 200_000;
    my @call = (environment => { A => 1, B => $big }, arguments => [$big, ''], stdin => 'in');
    is $launcher->call(@call)->{stdout}, "200001 200000 0 in", 'more than one message takes';
    is $launcher->call(environment => { A => 1 }, arguments => ['abc', ''], stdin => 'in', pieces => 1)->{stdout},
        '1 3 0 in', 'byte by byte';
}, 'a request in pieces', 'print length(join "", values %ENV), " ", join(" ", map { length } @ARGV), " ", <STDIN>;');

both(sub {
    my ($launcher) = @_;
    for my $code (0, 1, 3, 255) {
        is $launcher->call(arguments => ["exit $code"])->{status}, $code << 8, "exit $code";
    }
    is $launcher->call(arguments => ['kill KILL => $$'])->{status}, 9, 'SIGKILL';
    is $launcher->call(arguments => ['kill TERM => $$; sleep 9'])->{status}, 15, 'SIGTERM';
    my $died = $launcher->call(arguments => ['die "no\n"']);
    is_deeply [@$died{qw(status stderr)}], [255 << 8, "no\n"], 'die';
    is $launcher->call(arguments => ['print "at the end"; $? = 7; END { $? = 8 }'])->{status}, 8 << 8, 'END decides';
    my $used = $launcher->call(arguments => ['my $x = "a" x 3e7; 1 while times < 0.05']);
    cmp_ok $used->{user} + $used->{system}, '>=', 40_000, 'CPU time is told';
    cmp_ok $used->{memory}, '>=', 30_000_000, 'memory is told';
}, 'the end', 'eval shift; die $@ if $@;');

both(sub {
    my ($launcher) = @_;
    my @zero = grep { $launcher->call->{status} == 0 } 1 .. 200;
    is @zero, 200, 'status 0';
}, '200 times exit 0', 'exit 0;');

both(sub {
    my ($launcher) = @_;
    my @parked = map { $launcher->fork } 1 .. 3;
    is $_->{greeting}, "PFI\n\0\0\0\0", 'greeting' for @parked;
    $launcher->send($_) for reverse @parked;
    my @text = map { $launcher->reap($_)->{stdout} } @parked;
    my ($first, @others) = map { [split / /] } @text;
    for my $other (@others) {
        isnt $other->[$_], $first->[$_], ('process', 'random number')[$_] . ' differs' for 0, 1;
    }
    my ($pid, undef, $parent, $group, $start) = @$first;
    is $parent, $launcher->{pid}, 'parent';
    is $group,  $pid, 'a process group of its own';
    cmp_ok abs($start - time), '<', 5, 'start time';
}, 'a process', 'BEGIN { rand; $^T = 1 } print "$$ ", rand, " ", getppid, " ", getpgrp, " $^T";');

both(sub {
    my ($launcher) = @_;
    my $executor = $launcher->fork;
    close $executor->{call};
    my $result = $launcher->reap($executor);
    is_deeply [@$result{qw(status stdout)}], [0, ''], 'nothing was run';
    $executor = $launcher->fork;
    Launcher::send_with($executor->{call}, "\0" . pack('N', 100) . 'A=b', $executor->{stdin});
    close $executor->{call};
    is $launcher->reap($executor)->{status}, 0, 'neither with half a request';
    my @bad = ("\1", "\0" . pack('N', 4) . "A=b\0", "\0" . pack('N', 3) . "Ab\0", "\0" . pack('N', 4) . "\0abc",
        "\0" . pack('N', 1) . "\0more");
    for my $bad ((map { [$_, 1] } @bad), ["\0" . pack('N', 1) . "\0", 2]) {
        my ($bytes, $descriptors) = @$bad;
        $executor = $launcher->fork;
        Launcher::send_with($executor->{call}, $bytes, ($executor->{stdin}) x $descriptors);
        my $result = $launcher->reap($executor);
        is $result->{status}, 127 << 8, 'not a request';
        like $result->{stderr}, qr/^Proc::Prefork::Interp: .*\n\z/, 'and stderr says so';
    }
}, 'a launcher that leaves', 'print "run";');

done_testing;
