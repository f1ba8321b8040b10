# Executors that serve more than one request: `while (prefork_accept()) { … }`.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Launcher;

my $api = 'use Proc::Prefork::Interp; ';

sub server {
    my ($text, %o) = @_;
    my $server = Launcher->start(mode => 'explicit', script => "$api$text", %o);
    ok $server->{ready}, 'ready' or diag $server->log;
    return $server;
}

# serve($server, $executor, %options) is one request of a persistent executor.
sub serve {
    my ($server, $executor, %o) = @_;
    $server->send($executor, %o);
    return $server->finished($executor);
}

my $server = server(<<'SCRIPT', switches => ['-w']);
my $count = 0;
umask 027;
while (prefork_accept()) {
    $count++;
    my $in = join '', <STDIN>;
    print join '|', $$, $count, $in, join(',', map { "$_=$ENV{$_}" } sort keys %ENV), "@ARGV", umask,
        readlink '/proc/self/cwd';
    print STDERR "error $count";
    umask 077;
    chdir '/usr';
    alarm 1000;
}
print alarm 0;
print "behind\n";
exit 3;
SCRIPT
is $server->{ready}{reuse}, 1, 'the server offers it';
my $executor = $server->fork(requests => 3, stdin => "a\nb");
my ($pid, @seen);
for my $count (1, 2) {
    my $result = serve($server, $executor, stdin => "in $count", environment => { "E$count" => $count }, arguments => ["a$count"]);
    is $result->{status}, 0, 'status';
    @seen = split /\|/, $result->{stdout};
    $pid //= $seen[0];
    my $in = $count == 1 ? "a\nb" : 'in 2';
    is_deeply \@seen, [$pid, $count, $in, "E$count=$count", "a$count", 027, $seen[-1]], 'a request of its own';
    isnt $seen[-1], '/usr', 'the folder is that of the fork point';
    is $result->{stderr}, "error $count", 'stderr';
}
$server->send($executor, stdin => '', pieces => 1);
my $last = $server->reap($executor);
is_deeply [@$last{qw(status stderr)}], [3 << 8, 'error 3'], 'the last request ends as a process does';
like $last->{stdout}, qr/^\Q$pid|3||||\E23\|\Q$seen[-1]\E1000behind\n\z/, 'behind the loop';
for my $requests (undef, 1) {
    my $once = $server->fork(requests => $requests);
    $server->send($once);
    my $result = $server->reap($once);
    like $result->{stdout}, qr/behind\n\z/, 'one request';
    is $result->{status}, 3 << 8, 'and the script\'s status';
}

# The launcher leaves: parked, in a request, with half of one.
my $leaves = server('while (prefork_accept()) { print "x" } $? = 0');
for my $bytes (undef, '', "\0" . pack('N', 100) . 'A=b') {
    my $executor = $leaves->fork(requests => 9);
    is serve($leaves, $executor)->{stdout}, 'x', 'a request';
    Launcher::send_with($executor->{call}, $bytes, @$executor{qw(stdin stdout stderr)}) if $bytes;
    close $executor->{call};
    is_deeply [@{ $leaves->reap($executor) }{qw(status stdout stderr)}], [0, 'x', ''], 'end-of-file';
}
is $leaves->stop, 0, 'the server ends';
is $leaves->log, '', 'quietly';

# What a request leaves behind.
my $state = server(<<'SCRIPT');
open my $log, '>>', "$0.log" or die;
while (prefork_accept()) {
    read STDIN, my $some, 2;
    print $some, eof(STDIN) ? 'end' : 'more';
    print $log "line\n";                                  # not flushed by the script
    our $kept;
    open $kept, '>&', \*STDOUT unless $kept;              # must not hold the first client's stdout
    print $kept 'kept' if $ENV{KEPT};
}
SCRIPT
pipe my $out, my $in or die;
$executor = $state->fork(requests => 9, stdin => 'abcdef' x 10_000, stdout => $in);
is serve($state, $executor)->{status}, 0, 'stdin is not read to its end';
delete $executor->{stdout};
close $in;
is readline($out), 'abmore', 'the first client has its answer';
is -s "$state->{path}.log", 5, 'other handles are flushed, too';
is serve($state, $executor, stdin => 'xy', environment => { KEPT => 1 })->{stdout}, 'xyendkept', 'nothing of it is left';
pipe $out, $in or die;
$state->send($executor, stdin => 'z', stdout => $in);
close $in;
delete $executor->{stdout};
is readline($out), 'zend', 'end-of-file of stdout comes with the end of the request';
is unpack('N', Launcher::_read($executor->{call}, 4)), 0, 'status';
close $executor->{call};

# Most of the environment is that of the last request: what the script has done to it is undone all the same.
my $changes = server(<<'SCRIPT');
while (prefork_accept()) {
    print join(',', map { "$_=$ENV{$_}" } sort keys %ENV), ';', `echo "\$A|\$B|\$C|\$D"`;
    $ENV{A} = 'changed';
    $ENV{C} = 'added';
    delete $ENV{B};
    undef $ENV{D};
}
SCRIPT
$executor = $changes->fork(requests => 9);
my %same = (A => 'a', B => 'b', D => '', PATH => $ENV{PATH});
for (1 .. 3) {
    is serve($changes, $executor, environment => {%same})->{stdout}, "A=a,B=b,D=,PATH=$ENV{PATH};a|b||\n", 'the environment is the request\'s';
}
close $executor->{call};

# The same where it does one thing only, or nothing, and where the next request has other variables.
for my $deed ('', 'undef $ENV{D}', 'delete $ENV{D}', '$ENV{D} = "d"', '$ENV{A} .= ""', '$ENV{Z} = 1', '%ENV = ()', '($ENV{Z}) = delete $ENV{D}') {
    my $server = server('while (prefork_accept()) { print join(",", map { "$_=" . ($ENV{$_} // "undefined") } sort keys %ENV), ";", `echo "\$A|\$N"`; '
            . "$deed }");
    my $executor = $server->fork(requests => 9);
    for my $other ({}, {}, { A => 'b' }, { A => 'x=y' }, { E => '' }, {}, { N => 'n' }) {
        my %wanted = (A => 'a', D => '', N => 1, PATH => $ENV{PATH}, %$other);
        delete $wanted{D} if exists $wanted{E};
        is serve($server, $executor, environment => \%wanted)->{stdout},
            join(',', map { "$_=$wanted{$_}" } sort keys %wanted) . ";$wanted{A}|$wanted{N}\n", "the request's, after: $deed";
    }
    close $executor->{call};
}

# With -w perl would say if a value is used that there is not.
my $bare = server('while (prefork_accept()) { print join ",", %ENV; undef $ENV{A} }', switches => ['-w']);
$executor = $bare->fork(requests => 9);
for my $environment ({}, {}, { A => '' }, { A => '' }, {}) {
    my $result = serve($bare, $executor, environment => $environment);
    is_deeply [@$result{qw(stdout stderr)}], [join(',', %$environment), ''], 'an environment of ' . keys %$environment;
}
close $executor->{call};

# A process without any descriptor but the library's makes a duplicate and keeps it.
my $alone = server('our $kept; while (prefork_accept()) { open $kept, ">&", \*STDOUT unless $kept; print $kept "kept" }');
pipe $out, $in or die;
$executor = $alone->fork(requests => 9, stdout => $in);
is serve($alone, $executor)->{status}, 0, 'a duplicate is kept';
delete $executor->{stdout};
close $in;
is readline($out), 'kept', 'it does not hold the first client\'s stdout';
is serve($alone, $executor)->{stdout}, 'kept', 'and is one of the next';
close $executor->{call};

# Standard handles that another request would notice; a child that comes out of the loop; an error.
my %doubtful = (
    'close STDOUT'                                                    => 0,
    'close STDIN'                                                     => 0,
    'tie *STDOUT, "T"; sub T::TIEHANDLE { bless [] }'                 => 0,
    'if (!fork) { next } wait; $status = $?; close STDERR'            => 0,
    'die "no\n"'                                                      => 255 << 8,
    'exit 4'                                                          => 4 << 8,
);
for my $statement (sort keys %doubtful) {
    my $server   = server("my \$status = 0; while (prefork_accept()) { $statement } \$? = \$status;");
    my $executor = $server->fork(requests => 9);
    is serve($server, $executor), undef, "$statement: no status";
    is $server->reap($executor)->{status}, $doubtful{$statement}, 'but an end';
}

# Files are reported at the end of each request.
my $later = Launcher::script('package Later; 1;', 'Later.pm');
my $files = server("use lib '$Launcher::FOLDER'; while (prefork_accept()) { require Later; print 1 }");
$executor = $files->fork(requests => 9);
is serve($files, $executor)->{stdout}, 1, 'a request';
$files->call;
is scalar(grep { $_ eq $later } @{ $files->{file} }), 1, 'a file of an executor that lives';

# A thousand.
my $many = server('while (prefork_accept()) { opendir my $f, "/proc/self/fd"; print join ",", sort { $a <=> $b } grep { /\d/ } readdir $f }');
$executor = $many->fork(requests => 1000);
my ($first, $wrong) = (undef, 0);
my @descriptors;
for my $count (1 .. 999) {
    $descriptors[$count] = serve($many, $executor)->{stdout};
    $wrong++ if $descriptors[$count] ne $descriptors[1];
}
is $wrong, 0, 'a thousand requests have the same descriptors';
like $descriptors[1], qr/^0,1,2,3,1\d/, 'the call socket has a high number';
$many->send($executor);
is $many->reap($executor)->{stdout}, $descriptors[1], 'the last one, too';

# Where it cannot be.
my $plain = server('prefork_initialisation_complete(); print 1; print prefork_accept() ? 2 : 3; print prefork_accept() ? 2 : 3');
is $plain->{ready}{reuse}, undef, 'another fork point';
is $plain->call->{stdout}, '123', 'prefork_accept is true once';
my $fdpass = server('while (prefork_accept()) { print "once" }', environment => { PREFORK_INTERP_TEST_TRANSPORT => 'fdpass' });
is $fdpass->{ready}{reuse}, undef, 'IO::FDPass receives one descriptor';
is $fdpass->call(requests => 5)->{stdout}, 'once', 'so one request';
is Launcher::cold(switches => ['-I', $Launcher::LIB], script => "$api print 'x' while prefork_accept();")->{stdout},
    'x', 'standalone';

done_testing;
