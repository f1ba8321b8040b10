# With an automatic fork point a script sees, says and does what it sees, says and does cold.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
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

same('FindBin and a relative name', 'use FindBin; use Cwd; print "$FindBin::Bin $FindBin::Script $0 ", getcwd, "\n"; warn "here";',
    file => 'relative.pl', relative => 'relative.pl', folder => $Launcher::FOLDER);
same('die',              "\n\ndie 'no'");
same('die of an object', 'die bless {}, "Thing"; package Thing; use overload q("") => sub { "a thing\n" };');
same('a hook for die',   'BEGIN { $SIG{__DIE__} = sub { print "hook: $_[0]" } } print "start\n"; eval { die "caught\n" }; die "end\n"');
same('a hook for warn',  'BEGIN { $SIG{__WARN__} = sub { print "hook: $_[0]" } } my $x; use warnings; print "a" . $x; warn "b"');
same('croak',            'use Carp; sub f { Carp::cluck("deep") } f(1, "a"); Carp::confess("end");');
same('exit in eval',     'eval { exit 5 }; print "not here"');
same('END and DESTROY', <<'SCRIPT');
my $lexical = bless [];
our $global = bless [];
sub DESTROY { print "destroy\n" }
END { print "end $?\n"; $? = 4 }
print "run\n";
exit 3;
SCRIPT
same('all the phases',   'BEGIN { $b++ } CHECK { $c++ } INIT { print "init\n" } UNITCHECK { $u++ } END { print "end\n" } print "$b$c$u\n"');
same('a runtime error',  "my \@a = (1);\nmy \$x = \$a[0]->method;\n");
same('DATA',             "print <DATA>; print tell(DATA) > 0 ? 'ok' : 'no';\n__DATA__\n" . "line\n" x 5000);
same('DATA of a module', "package Other; sub r { print <Other::DATA> } package main; Other::r(); package Other;\n__DATA__\nother\n");
same('half-read DATA',   "BEGIN { open F, '<', \$0; \$l = <F> } print \$l, <F>;\n1;\n# end\n");
same('line of input',    'my $x = <STDIN>; warn "after"; print <STDIN>; die "end"', stdin => "a\nb\nc\n");
same('layers',           'use open qw(:std :utf8); print length(<STDIN>), chr(0x263a), "\n"', stdin => "\xe2\x98\xba");
same('layers by -C',     'print length(<STDIN>), length($ARGV[0]), chr(0x263a), <DATA>' . "\n__DATA__\n\xe2\x98\xba\n",
    stdin => "\xe2\x98\xba", arguments => ["\xe2\x98\xba"], switches => ['-CSDA']);
same('end-of-file read', 'BEGIN { read STDIN, $x, 10; eof STDIN } BEGIN { $l = $. // "undef" } print $l, read(STDIN, $x, 10), $x', stdin => '');
same('changed folder',   'BEGIN { chdir "/usr"; umask 027 } use Cwd; print getcwd, umask');
same('environment set', <<'SCRIPT', environment => { PATH => '/usr/bin:/bin', KEPT => 1 });
BEGIN {
    $ENV{PATH} = "/bin";
    delete $ENV{GONE};
    $ENV{NEW} = 1;
    our $kept = \%ENV;
    { local $ENV{L} = 1 }
}
print map { "$_=$kept->{$_}\n" } sort keys %$kept;
system 'echo $NEW $PATH $L';
SCRIPT
same('a broken script caught', 'eval "1 +* 2"; print $@; eval { require No::Such::Module }; print $@ =~ /^Can\'t locate/ ? 1 : 0, exists $INC{"No/Such/Module.pm"} ? 1 : 0');
same('sleeping select',  'print STDOUT "a"; print STDERR "b"; $| = 1; print "c"; open my $o, ">&", \*STDOUT; print $o "d"');
same('buffered in setup', 'BEGIN { $| = 0 } print "once\n"; system "echo twice"');
same('srand is anew',    'BEGIN { srand 1; $a = rand; } print $a; ');
same('SIGPIPE is not ignored', 'system "cat /proc/self/status | grep Sig[IB]"; print $SIG{PIPE} // "undef"');
same('children',         'my $p = fork; if (!$p) { exit 3 } waitpid $p, 0; print $? >> 8, `echo $$` == $$ ? "same" : "other"');
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
