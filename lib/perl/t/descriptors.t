# Descriptors, offsets, signals and hooks in the executors.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Launcher;

my $explicit = 'use Proc::Prefork::Interp qw(prefork_initialisation_complete before_fork after_fork);';

sub server {
    my ($text, %o) = @_;
    my $server = Launcher->start(script => $text, %o);
    ok $server->{ready}, 'ready' or diag $server->{cold} // $server->log;
    return $server;
}

my $list = 'opendir my $f, "/proc/self/fd"; print join ",", grep { $_ < 200 && readlink "/proc/self/fd/$_" } sort readdir $f;';
my $first = server($list);
my ($inherited) = Launcher::cold(script => $list)->{stdout};
is $first->call->{stdout}, $inherited, 'descriptors are those of a cold run';
my $called = server("$explicit prefork_initialisation_complete(); $list", mode => 'explicit');
is $called->call->{stdout}, $inherited, 'explicit, too';

my $parked = $first->fork;
is $first->call->{stdout}, $inherited, 'also while another one is parked';
$first->send($parked);
$first->reap($parked);

my $duplicates = server(<<'SCRIPT');
BEGIN { open SAVEERR, '>&', \*STDERR; open SAVEOUT, '>&', \*STDOUT; open SAVEIN, '<&', \*STDIN;
    $^F = 100; open KEPT, '>&', \*STDERR; $^F = 2; select SAVEERR; $| = 1; select STDOUT }
print SAVEERR "error\n"; print SAVEOUT "out\n"; close SAVEOUT; print <SAVEIN>;
require Fcntl; print fcntl(SAVEERR, &Fcntl::F_GETFD, 0) + 0, fcntl(KEPT, &Fcntl::F_GETFD, 0) + 0;
SCRIPT
for (1, 2) {
    my $result = $duplicates->call(stdin => 'in ');
    is_deeply [@$result{qw(stdout stderr)}], ["out\nin 10", "error\n"], 'duplicates of setup are the request\'s';
}
is $duplicates->log, '', 'and nothing goes to the log';

my $closed = server('BEGIN { close STDERR; close STDOUT } open my $o, ">&=", 1; print $o "x"; exit 2');
is_deeply [@{ $closed->call }{qw(status stdout)}], [512, 'x'], 'setup has closed stdout and stderr';

my $lines = join '', map { "$_\n" } 1 .. 9000;
my $data  = server('print scalar <DATA> for 1 .. $ARGV[0]; local $/; print <DATA>;' . "\n__DATA__\n$lines");
my @two = map { $data->fork } 1, 2;
$data->send($_, arguments => [5000]) for @two;
ok $data->reap($_)->{stdout} eq $lines, 'two executors read all of DATA' for @two;
my $offset = server(<<'SCRIPT');
# line 1
# line 2
BEGIN { open LINES, "<", $0; $_ = <LINES>; open BYTES, "<", $0; seek BYTES, 2, 0 }
print scalar <LINES>;
read BYTES, $x, 4;
print $x;
SCRIPT
is $offset->call->{stdout}, "# line 2\nline", 'offsets of files' for 1, 2;

my $signals = server(<<'SCRIPT');
BEGIN {
    $SIG{CHLD} = 'IGNORE';
    $SIG{INT}  = 'main::interrupted';
    $SIG{TERM} = sub { print "term\n"; exit 4 };
    alarm 1000;
}
sub interrupted { print "int\n" }
print join(',', map { "$_=$SIG{$_}" } grep { defined $SIG{$_} } qw(CHLD INT PIPE HUP)), "\n";
kill INT => $$; print alarm(0) > 900 ? "armed\n" : "not armed\n"; kill TERM => $$; sleep 5;
SCRIPT
my $printed = "CHLD=IGNORE,INT=main::interrupted\nint\narmed\nterm\n";
is_deeply [@{ $signals->call }{qw(status stdout)}], [4 << 8, $printed], 'signals' for 1, 2;
my $waiting = $signals->fork;
kill TERM => $signals->{pid};
close $waiting->{call};
waitpid $signals->{pid}, 0;
is $?, 15, 'the server has no handler of the script';
$signals->{status} = 15;

my $hooks = <<'SCRIPT';
my @seen;
BEGIN {
    before_fork(sub { push @seen, "before $$" });
    after_fork(sub { push @seen, "first $ENV{X} @ARGV" });
    after_fork(sub { push @seen, "second" });
}
SCRIPT
for my $mode (qw(explicit automatic)) {
    my $end  = $mode eq 'explicit' ? 'prefork_initialisation_complete();' : '';
    my $head = $mode eq 'explicit' ? $explicit : "use lib '$Launcher::LIB'; $explicit";
    my $server = server("$head$hooks$end prefork_initialisation_complete(); print join '|', \@seen;", mode => $mode);
    is $server->call(environment => { X => 1 }, arguments => ['a'])->{stdout},
        "before $server->{pid}|first 1 a|second", "hooks, $mode" for 1, 2;
}
my $dies = Launcher->start(mode => 'explicit',
    script => "$explicit before_fork(sub { die qq(not today\n) }); prefork_initialisation_complete();");
is $dies->stop, 255 << 8, 'a hook that dies ends setup';
is $dies->log, "not today\n", 'with its message';

my $exits = server("use lib '$Launcher::LIB'; $explicit BEGIN { after_fork(sub { exit 3 }) } print 'not here'");
is_deeply [@{ $exits->call }{qw(status stdout)}], [3 << 8, ''], 'a hook that exits';
my $child = server('BEGIN { system "sh", "-c", "exit 2" } print $? >> 8');
is $child->call->{stdout}, 2, 'the status of setup\'s last child';

my $dbi = Launcher::script('package DBI; sub installed_drivers { (X => $main::driver) } 1;', 'DBI.pm');
my $handles = server("use lib '$Launcher::FOLDER'; use DBI;" . <<'SCRIPT');
BEGIN {
    our $s      = { Type => 'st' };
    our $d      = { Type => 'db', ChildHandles => [$s, undef] };
    our $driver = { Type => 'dr', ChildHandles => [$d] };
}
print map { $_->{AutoInactiveDestroy} // 'no' } $driver, $d, $s;
SCRIPT
is $handles->call->{stdout}, 'no11', 'handles of DBI';

done_testing;
