# The server: what it reports, and how it ends.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Launcher;

my $api = 'use Proc::Prefork::Interp; ';

# Which files of this test have been reported.
sub mine {
    my ($server) = @_;
    return grep { m{^\Q$Launcher::FOLDER} } @{ $server->{file} };
}

# Files.
my $module = Launcher::script('package Mine; 1;', 'Mine.pm');
my $later  = Launcher::script('package Later; 1;', 'Later.pm');
my $broken = Launcher::script('package Broken; {', 'Broken.pm');
my $use    = "use lib '$Launcher::FOLDER';";
my $server = Launcher->start(script => "$use use Mine; if (1) { require Later } exit");
is_deeply [mine($server)], [sort $module, $server->{path}], 'setup\'s files';
is scalar(grep { /Prefork/ } @{ $server->{file} }), 0, 'none of the library';
@{ $server->{file} } = ();
$server->call for 1, 2;
is_deeply $server->{file}, [$later], 'an executor\'s files, once';
like $server->{ready}{library}, qr/^Proc::Prefork::Interp \d.* \(Perl\)$/, 'library';
like $server->{ready}{fds}, qr/^\d+,\d+$/, 'fds';
is $server->{ready}{max_servers}, undef, 'no limit of its own';

my $dies = Launcher->start(script => "$use use Mine; use Broken;");
is_deeply [mine($dies)], [sort $module, $broken, $dies->{path}], 'files of a setup that dies';
Launcher::script('BEGIN { require "./Mine.pm"; chdir "/" }', 'relative.pl');
my $relative = Launcher->start(path => 'relative.pl', folder => $Launcher::FOLDER);
is_deeply [mine($relative)], [map { "$Launcher::FOLDER/$_" } './Mine.pm', 'relative.pl'], 'relative names';
my $died = Launcher->start(mode => 'explicit', script => "$api$use use Mine; die");
is scalar(grep { $_ eq $module } @{ $died->{file} }), 1, 'explicit, too';

# Where modules were missed.
my $shadow = Launcher->start(script => "use lib '$Launcher::FOLDER', '/nonexistent'; use Mine; use POSIX;");
my %missed = map { $_ => 1 } split /\0/, $shadow->{miss};
ok $missed{$_}, "$_ may come" for "$Launcher::FOLDER/POSIX.pm", '/nonexistent/POSIX.pm';
ok !$missed{$_}, "$_ is there, or too late" for $module, '/nonexistent/Mine.pm';
is scalar(grep { /Prefork/ } keys %missed), 0, 'none of the library';

# Options.
my $options = Launcher->start(mode => 'explicit', script => "$use $api" . <<'SCRIPT');
use Mine;
prefork_autoreload_also_check('/a');
prefork_initialisation_complete(max_servers => 7, autoreload_inc => 0, autoreload_extra => ['/b'],
    idle_timeout => 1, max_errors => 1, log_facility => '');
prefork_autoreload_also_check('/c');
SCRIPT
is_deeply $options->{file}, [sort '/a', '/b', $options->{path}], 'only files that are named';
is $options->{ready}{max_servers}, 7, 'max_servers';
$options->call;
is $options->{file}[-1], '/c', 'named by an executor';

# Preload.
for my $mode (qw(automatic explicit)) {
    my $end = $mode eq 'explicit' ? "$api prefork_initialisation_complete();" : '';
    my $preload = Launcher->start(
        mode     => $mode,
        settings => ['unknown', 'x=y', 'n9,z', 'preload=Mine,No::Such,Broken,a-b'],
        script   => "$use BEGIN { \$SIG{__DIE__} = sub { print 'hook' } } $end print exists \$INC{'Mine.pm'}",
    );
    is $preload->call->{stdout}, 1, "preload, $mode";
    my @notes = @{ $preload->{note} };
    like shift @notes, qr/^cannot preload $_: .+\z/, "note for $_" for qw(No::Such Broken a-b);
    is $preload->log, '', 'and nothing else';
}

# The end.
my $script = q{$| = 1; $SIG{TERM} = sub { print "term\n"; exit }; print "up\n"; sleep 60;};
my $ends = Launcher->start(script => $script);
my @running;
for (1, 2) {
    pipe my $out, my $in or die;
    push @running, { %{ $ends->fork(stdout => $in) }, out => $out };
    $ends->send($running[-1]);
    is sysread($out, my $up, 3), 3, 'it runs';
}
is $ends->stop, 0, 'end-of-file ends the server';
is readline($_->{out}), "term\n", 'executors get SIGTERM first' for @running;
is sysread($ends->{gone}, my $x, 1), 0, 'nobody is left';

my $stubborn = Launcher->start(script => '$SIG{TERM} = "IGNORE"; $| = 1; print "up"; sleep 60 while 1');
pipe my $out, my $in or die;
$stubborn->send($stubborn->fork(stdout => $in));
is sysread($out, my $up, 2), 2, 'it runs';
my $before = time;
is $stubborn->stop, 0, 'one that ignores SIGTERM';
cmp_ok abs(time - $before - 5), '<=', 1, 'is killed after five seconds';

my $killed = Launcher->start(script => 'exit');
kill KILL => $killed->{pid};
is $killed->stop, 9, 'a server that is killed';

# Faults of the launcher.
my %fault = (
    'an unknown type'              => pack('a4 N', 'what', 0),
    'a payload that is too long'   => pack('a4 N', 'fork', 1 << 30),
    'an id that is not one'        => pack('a4 N a3', 'reap', 3, 'abc'),
    'a fork without a descriptor'  => pack('a4 N N a1', 'fork', 4, 1, "\0"),
);
for my $name (sort keys %fault) {
    my $fault = Launcher->start(script => 'exit');
    syswrite $fault->{ctl}, $fault{$name};
    shutdown $fault->{ctl}, 1;
    is $fault->stop, 127 << 8, $name;
    like $fault->log, qr/^Proc::Prefork::Interp: the launcher has sent /, 'is reported';
}
my $unknown = Launcher->start(script => 'print "x"');
syswrite $unknown->{ctl}, pack 'a4 N N', 'reap', 4, 99;
is $unknown->call->{stdout}, 'x', 'an id that is not known is ignored';

# Handovers that are none.
for my $value ('v2,1.000000000 1,2,3,4', 'v1', 'v1,1.000000000 1,2', 'v1,x 1,2,3,4', 'v1,1.000000000 1000,1001,1002,1003') {
    my $result = Launcher::cold(environment => { PREFORK_INTERP => $value }, switches => ['-I', $Launcher::LIB],
        script => "$api prefork_initialisation_complete(); print 'ran'");
    isnt $result->{status}, 0, "$value is refused";
    like $result->{stderr}, qr/^PREFORK_INTERP: /, 'with a message';
}
my $alone = "$api prefork_autoreload_also_check('x'); prefork_initialisation_complete(); print 'ran'";
my @lib   = ('-I', $Launcher::LIB);
is Launcher::cold(switches => \@lib, script => $alone)->{stdout}, 'ran', 'standalone';
is Launcher::cold(switches => [@lib, '-MProc::Prefork::Interp::Automatic'], script => "print 'ran'")->{stdout},
    'ran', 'standalone, automatic';

# Ways to receive descriptors.
for my $way (qw(syscall fdpass)) {
    for my $mode (qw(automatic explicit)) {
        my $end = $mode eq 'explicit' ? "$api prefork_initialisation_complete();" : '';
        my $other = Launcher->start(mode => $mode, environment => { PREFORK_INTERP_TEST_TRANSPORT => $way },
            script => "BEGIN { open E, '>&', \\*STDERR } $end print STDERR 1; print E 2; print <STDIN>; exit 3");
        is_deeply [@{ $other->call(stdin => 'in') }{qw(status stdout stderr)}], [3 << 8, 'in', '12'], "$way, $mode";
        is $other->stop, 0, 'ends';
    }
}
my $none = Launcher->start(mode => 'explicit', script => "$api prefork_initialisation_complete();",
    environment => { PREFORK_INTERP_TEST_TRANSPORT => 'none' });
isnt $none->stop, 0, 'none';
like $none->log, qr/libio-fdpass-perl/, 'with a message';

done_testing;
