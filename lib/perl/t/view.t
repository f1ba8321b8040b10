# With an automatic fork point a script sees, says and does what it sees, says and does cold.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Cases;
use Launcher;

# Runs a script cold and warm, with the same request, and compares.
sub same {
    my ($name, $text, %o) = @_;
    my $path   = Launcher::script($text, $o{file});
    my %setup  = map { $_ => $o{$_} } grep { exists $o{$_} } qw(switches folder);
    my %call   = (stdin => $o{stdin}, arguments => $o{arguments}, environment => $o{environment});
    my $cold   = Launcher::cold(path => $o{relative} // $path, %setup, %call);
    my $server = Launcher->start(path => $o{relative} // $path, %setup);
    ok $server->{ready}, "$name: is warm" or return diag $server->{cold} // $server->log;
    for my $round (1, 2) {
        my $warm = $server->call(%call);
        is_deeply { map { $_ => $warm->{$_} } keys %$cold }, $cold, "$name, round $round";
    }
    is $server->stop, 0, 'the server ends';
    is $server->log,  '', 'and nothing was logged';
    return;
}

same('everything that can be listed', <<'SCRIPT', environment => { A => 1 }, arguments => ['x'], switches => ['-w']);
print join "\n", "program $0", "arguments @ARGV", "INC @INC", (map { "file $_" } sort keys %INC),
    (map { "variable $_=$ENV{$_}" } sort keys %ENV), "caller " . ((caller)[0] // 'none'), 'package ' . __PACKAGE__,
    'file ' . __FILE__, 'line ' . __LINE__, "error [$@]", (tied %ENV ? 'tied' : 'not tied'),
    "warnings $^W", "phase ${^GLOBAL_PHASE}", 'umask ' . umask, "separator $/", (map { "signal $_ $SIG{$_}" } grep { defined $SIG{$_} } sort keys %SIG),
    '_ ' . ($_ // 'undef'), 'child ' . $?, 'first ' . (defined $1 ? 1 : 'undef'), '';
opendir my $folder, '/proc/self/fd' or die;
print join(' ', grep { $_ < 10 } sort grep { /\d/ } readdir $folder), "\n";
SCRIPT

same(@$_) for @Cases::COMMON;
same('all the phases',   'BEGIN { $b++ } CHECK { $c++ } INIT { print "init\n" } UNITCHECK { $u++ } END { print "end\n" } print "$b$c$u\n"');
same('half-read DATA',   "BEGIN { open F, '<', \$0; \$l = <F> } print \$l, <F>;\n1;\n# end\n");
same('end-of-file read', 'BEGIN { read STDIN, $x, 10; eof STDIN } BEGIN { $l = $. // "undef" } print $l, read(STDIN, $x, 10), $x', stdin => '');
same('changed folder',   'BEGIN { chdir "/usr"; umask 027 } use Cwd; print getcwd, umask');
same('sleeping select',  'print STDOUT "a"; print STDERR "b"; $| = 1; print "c"; open my $o, ">&", \*STDOUT; print $o "d"');
same('buffered in setup', 'BEGIN { $| = 0 } print "once\n"; system "echo twice"');
same('srand is anew',    'BEGIN { srand 1; $a = rand; } print $a; ');
same('exec',             'exec "echo", "replaced"');
same('a path that the script vouches for', <<'SCRIPT', switches => ['-T'], environment => { PATH => '/bin' });
$ENV{PATH} = '/bin:/usr/bin';
delete @ENV{qw(IFS CDPATH ENV BASH_ENV)};
open my $echo, '-|', 'echo', 'hi' or print "no: $!";
print <$echo>;
SCRIPT
same('taint', <<'SCRIPT', switches => ['-T'], environment => { A => 1, PATH => '/bin' }, arguments => ['b']);
use Scalar::Util "tainted";
print map { tainted($_) ? 1 : 0 } $ENV{A}, $ARGV[0], $0;
eval { system "ls" };
print $@, <DATA>;
__DATA__
x
SCRIPT

done_testing;
