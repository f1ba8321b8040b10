# Protocol v1, with the program prefork-interp of chiark-utils as launcher.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Launcher;

my $client = '/usr/bin/prefork-interp';
plan skip_all => "no $client" unless -x $client;

$ENV{XDG_RUNTIME_DIR} = "$Launcher::FOLDER/run";
mkdir $ENV{XDG_RUNTIME_DIR}, 0700;
delete $ENV{PREFORK_INTERP};
my @started;

# prepare(%options) writes a script with its setup, options of the call, and what follows.
sub prepare {
    my (%o) = @_;
    my $path = Launcher::script(join "\n",
        "use lib '$Launcher::LIB'; use Proc::Prefork::Interp;",
        $o{setup} // '',
        "prefork_initialisation_complete(log_facility => '', " . ($o{options} // '') . ');',
        $o{script});
    utime 1, 1, $path;
    push @started, $path;
    return $path;
}

# run($path, %options) is one call. The first two arguments that the script gets are the interpreter and
# itself: that is what this client sends.
sub run {
    my ($path, %o) = @_;
    my ($pid, $out, $err) = begin($path, %o);
    waitpid $pid, 0;
    return { status => $?, stdout => Launcher::_text($out), stderr => Launcher::_text($err) };
}

sub begin {
    my ($path, %o) = @_;
    my ($in, $out, $err) = Launcher::_files($o{stdin});
    $out = $o{stdout} if $o{stdout};
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        my %kept = map { $_ => $ENV{$_} } qw(XDG_RUNTIME_DIR HOME PATH);
        %ENV = (%kept, %{ $o{environment} // {} });
        POSIX::dup2(fileno $in,  0);
        POSIX::dup2(fileno $out, 1);
        POSIX::dup2(fileno $err, 2);
        exec $client, '-U', $^X, $path, @{ $o{arguments} // [] } or POSIX::_exit(99);
    }
    return $pid, $out, $err;
}

END {
    local $?;
    system $client, '--kill', '-U', $^X, $_ for @started;
}

my $plain = prepare(setup => 'BEGIN { rand }', script => <<'SCRIPT');
print "$$ ", getppid, " ", rand, "|$ENV{X}|@ARGV[2 .. $#ARGV]|", <STDIN>;
warn "w\n";
exit $ENV{X};
SCRIPT
my %seen;
for my $code (0, 1, 3, 255) {
    my $result = run($plain, environment => { X => $code }, arguments => ['a', "b\n"], stdin => "\0\xff");
    is $result->{status}, $code << 8, "exit $code";
    like $result->{stdout}, qr/^\d+ \d+ \S+\|$code\|a b\n\|\0\xff\z/, 'environment, arguments, stdin';
    is $result->{stderr}, "w\n", 'stderr';
    my ($pid, undef, $random) = split /[ |]/, $result->{stdout};
    ok !$seen{$pid}++ && !$seen{$random}++, 'a process and a random number of its own';
}
is scalar(grep { run($plain, environment => { X => 0 })->{status} == 0 } 1 .. 200), 200, '200 times exit 0';

my $bytes = join '', (map { chr } 0 .. 255) x 12345;
my $copy  = prepare(script => 'local $/; print <STDIN>; kill KILL => $$ if $ENV{K}');
ok run($copy, stdin => $bytes)->{stdout} eq $bytes, 'some megabytes';
ok run($copy)->{stdout} eq '', 'nothing';
is run($copy, environment => { K => 1 })->{status} & 127, 9, 'death by signal';

my $state = prepare(setup => <<'SETUP', script => <<'SCRIPT');
my @hooks;
BEGIN {
    $SIG{CHLD} = "IGNORE";
    chdir "/usr";
    open SAVEERR, ">&", \*STDERR;
    open SCRIPT, "<", $0;
    $first = <SCRIPT>;
}
Proc::Prefork::Interp::before_fork(sub { push @hooks, "before" });
Proc::Prefork::Interp::after_fork(sub { push @hooks, "after $ENV{X}" });
SETUP
use Cwd;
print SAVEERR "saved\n";
print getcwd, " @hooks $SIG{CHLD} ", join(",", <DATA>), scalar <SCRIPT>;
opendir FOLDER, "/proc/self/fd";
print grep { /socket|pipe/ } map { $_ < 200 && readlink "/proc/self/fd/$_" } readdir FOLDER;
__DATA__
1
2
SCRIPT
for (1, 2) {
    my $result = run($state, environment => { X => 5 });
    is $result->{stdout}, "/usr before after 5 IGNORE 1\n,2\nmy \@hooks;\n", 'what setup has made is there';
    is $result->{stderr}, "saved\n", 'its duplicate of stderr is the request\'s';
}

my $extra  = Launcher::script('', 'extra.conf');
utime 1, 1, $extra;
my $reload = prepare(script => 'print $setup',
    setup => "my \$setup = \$\$; prefork_autoreload_also_check('$extra', '/no/such');");
my $one    = run($reload)->{stdout};
is run($reload)->{stdout}, $one, 'one setup for two calls';
utime time + 5, time + 5, $extra;
isnt run($reload)->{stdout}, $one, 'another one after a change';
utime 1, 1, $extra;

my $idle = prepare(setup => 'my $setup = $$;', options => 'idle_timeout => 0', script => 'print $setup');
isnt run($idle)->{stdout}, run($idle)->{stdout}, 'idle_timeout';

# Three callers at a limit of one: each is served, and the next begins when one has ended.
my $limit = prepare(options => 'max_servers => 1', script => <<'SCRIPT');
my $lock = "$0.lock";
exit 9 if -e $lock;
open my $file, ">", $lock;
select undef, undef, undef, 0.1;
unlink $lock;
exit 0;
SCRIPT
my @at_once = map { [begin($limit)] } 1 .. 3;
for my $call (@at_once) {
    waitpid $call->[0], 0;
    is $?, 0, 'max_servers';
}

# The caller dies: SIGINT for the executor.
my $slow = prepare(
    script => '$| = 1; $SIG{INT} = sub { print "int"; exit }; print "up"; sleep 60');
pipe my $out, my $in or die;
my ($pid) = begin($slow, stdout => $in);
close $in;
sysread $out, my $up, 2;
is $up, 'up', 'it runs';
kill KILL => $pid;
waitpid $pid, 0;
is readline($out), 'int', 'the executor of a caller that has died gets SIGINT';

my $none = prepare(script => '');
my $failed = run($none, environment => { PREFORK_INTERP_TEST_TRANSPORT => 'none' });
isnt $failed->{status}, 0, 'no way for descriptors';
like $failed->{stderr}, qr/libio-fdpass-perl/, 'is said';
my $other = prepare(script => 'print "ok"');
is run($other, environment => { PREFORK_INTERP_TEST_TRANSPORT => 'fdpass' })->{stdout}, 'ok', 'IO::FDPass';

done_testing;
