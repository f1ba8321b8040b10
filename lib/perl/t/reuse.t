# `reuse on`: an automatic script is run again and again in one process, and cannot tell.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Cases;
use Launcher;

# serve($server, $executor, %options) is one request of a persistent executor.
sub serve {
    my ($server, $executor, %o) = @_;
    $server->send($executor, %o);
    my $result = $server->finished($executor);
    return $result if $result;
    $result = $server->reap($executor);
    return { %$result{qw(stdout stderr)}, status => 'ended with ' . $result->{status} };
}

sub server {
    my (%o) = @_;
    return Launcher->start(%o, settings => ['reuse=on']);
}

# again($name, $text, %options) runs a script cold, and then four times in one process, and compares. Options: those of a
# call and of setup; masks, a pattern of what may differ.
sub again {
    my ($name, $text, %o) = @_;
    my $path   = Launcher::script($text, $o{file});
    my %setup  = map { $_ => $o{$_} } grep { exists $o{$_} } qw(switches folder);
    my %call   = map { $_ => $o{$_} } grep { exists $o{$_} } qw(stdin arguments environment);
    my $masks  = $o{masks} // qr/(?!)/;
    my $cold   = Launcher::cold(path => $o{relative} // $path, %setup, %call);
    my $server = server(path => $o{relative} // $path, %setup);
    ok $server->{ready}{reuse}, "$name: is run again" or return diag $server->{note}[0] // $server->{cold} // $server->log;
    my $executor = $server->fork(requests => 5, %call);
    s/$masks//g for $cold->{stdout}, $cold->{stderr};
    for my $round (1 .. 4) {
        my $warm = serve($server, $executor, %call);
        s/$masks//g for $warm->{stdout}, $warm->{stderr};
        is_deeply $warm, $cold, "$name, round $round";
        return if $warm->{status} =~ /ended/;
    }
    $server->send($executor, %call);
    my $last = $server->reap($executor);
    s/$masks//g for $last->{stdout}, $last->{stderr};
    is_deeply { map { $_ => $last->{$_} } keys %$cold }, $cold, "$name, the last";
    is $server->stop, 0, 'the server ends';
    is $server->log,  '', 'and nothing was logged';
    return;
}

again('everything that can be listed', <<'SCRIPT', environment => { A => 1 }, arguments => ['x'], switches => ['-w']);
print join "\n", "program $0", "arguments @ARGV", "INC @INC", (map { "variable $_=$ENV{$_}" } sort keys %ENV),
    "caller " . ((caller)[0] // 'none'), 'package ' . __PACKAGE__, 'file ' . __FILE__, 'line ' . __LINE__,
    "error [$@]", (tied %ENV ? 'tied' : 'not tied'), "warnings $^W", 'umask ' . umask, "separator $/",
    (map { "signal $_ $SIG{$_}" } grep { defined $SIG{$_} } sort keys %SIG), '_ ' . ($_ // 'undef'), 'child ' . $?,
    'first ' . (defined $1 ? 1 : 'undef'), 'eval ' . $^S, 'input ' . ($. // 'undef'), '@_ ' . @_, '';
opendir my $folder, '/proc/self/fd' or die;
print join(' ', grep { $_ < 10 } sort grep { /\d/ } readdir $folder), "\n";
SCRIPT

again(@$_) for @Cases::COMMON;
again('DATA, a part',     "print scalar <DATA>; warn 'here';\n__END__\n" . "line\n" x 5000);
again('<>',               'my $x = <>; print $x, "$."', stdin => "a\nb\nc\n");
again('all of <>',        'print while <>; print "$ARGV"', stdin => "a\nb\nc\n");
again('layers, later',    'print length(<STDIN>); binmode STDIN, ":encoding(UTF-8)"; binmode STDOUT, ":utf8"; print length(<STDIN>), chr(0x263a), "\n"', stdin => "\xe2\x98\xba\n\xe2\x98\xba");
again('changed folder',   'BEGIN { chdir "/usr"; umask 027 } use Cwd; print getcwd, umask; chdir "/"; umask 0');
again('handles',          'print STDOUT "a"; print STDERR "b"; $| = 1; print "c"; open my $o, ">&", \*STDOUT; print $o "d"; open LEFT, ">&STDOUT"; print LEFT "e"');

# What only this can get wrong.
again('switches of the first line', "#!/usr/bin/perl -w\nprint \$^W; \$^W = 0; my \$x; print \"\$x\"");
again('lexicals and named subs', 'use strict; use warnings; my $n = 1; my @l; sub add { push @l, $n++ } add() for 1 .. 3; print "@l"; { my $c = 5; sub step { $c++ } } print step(), step()');
again('state',            'use feature "state"; sub n { state $n = 0; ++$n } print n(), n()');
again('variables', <<'SCRIPT');
our ($s, @a, %h); our $set = 1; our @T = (1);
$n++; $s .= 'x'; push @a, 1; $h{a}++; push @Other::list, 1; push @T, 2; $Other::Deep::n++;
print join ',', $n, $s, "@a", %h, "@Other::list", "@T", $Other::Deep::n, join '', sort grep { /^dyn/ } keys %main::;
${"dyn$n"} = 5; @{"dynamic"} = (1); *{"dynamic_sub"} = sub { 1 }; *name = \&step; *s = \'constant'; *a = *h;
tie %h, 'T'; sub T::TIEHASH { bless [] }
package Other; sub f { } package Other::Deep; sub g { }
SCRIPT
again('special variables', 'print defined $, ? 1 : 0, defined $\ ? 1 : 0, $/ // "undef", $;, $", $|, $~, $^, $=, $0, "$@", "@INC", $? // "u"; ($,, $\, $/, $;, $", $|, $0, $_, $~, $=) = ("a", "b", undef, "c", "d", 1, "e", "f", "g", 7); push @INC, "/x"; $. = 5; $? = 3; select STDERR; $^F = 20');
again('a hidden default',  'my $x = shift; my $y = shift // "none"; print "$x $y"; sub f { shift } print f(3); &g; sub g { print scalar @_ }', arguments => ['one']);
again('signals',           'print $SIG{ALRM} // "none", $SIG{__WARN__} // "none", alarm 0; $SIG{ALRM} = sub { }; $SIG{__WARN__} = sub { }; $SIG{CHLD} = "IGNORE"; alarm 100');
again('signals of setup',  'BEGIN { $SIG{USR1} = sub { print "caught $n" }; alarm 50; } $n++; kill USR1 => $$; print alarm(0) > 0 ? 1 : 0; delete $SIG{USR1}');
again('BEGIN',             'our (@list, $n, $code); BEGIN { push @list, 1; $n++; my $l; $code = sub { $l++ } } my $lexical = 3; print "@list $n"; use lib "/nowhere"; print "@INC"; use constant NOW => rand; use constant X => 3; print X; sub p() { 5 } print p + 1;', switches => ['-w']);
again('inheritance',       'package A; sub new { bless {}, shift } sub m { "A" } package B1; our @ISA = "A"; package main; print B1->new->m; @B1::ISA = ("C"); sub C::m { "C" } print B1->m; *A::m = sub { "other" };', switches => ['-w']);
again('what is required',  "require './later.pl'; print \$later, later(); \$later = 5", folder => $Launcher::FOLDER, switches => ['-w'])
    if Launcher::script('$later = 1; sub later { 2 } 1;', 'later.pl');
again('what is imported',  'require POSIX; POSIX->import("floor"); print floor(2.5), defined &ceil ? 1 : 0; POSIX->import("ceil"); print ceil(2.5); eval "sub made { 7 }"; print made()', switches => ['-w']);
again('END blocks',        'END { print "first $?" } END { print "second"; $! = 5; die "in END\n" } eval q(END { print "late" }); require "./ending.pl"; print "run"; exit 2', folder => $Launcher::FOLDER)
    if Launcher::script('END { print "required\n" } 1;', 'ending.pl');
again('END blocks of modules', "use lib '$Launcher::FOLDER'; use Ending; print 'run'")
    if Launcher::script('package Ending; my $n = 0; END { print "end" } 1;', 'Ending.pm');
again('caller', 'sub f { print join ",", map { $_ // "u" } caller; print join ",", map { $_ // "u" } (caller 0)[0 .. 4]; print scalar caller(1) ? 1 : 0; print scalar(my @x = caller 1) } f(1); main() unless caller; sub main { print "main", "-" . caller }');
again('CGI::Carp',         'use CGI::Carp qw(fatalsToBrowser); eval { die "caught" }; warn "careful"; die "not caught"', masks => qr/\[[^\]]+\]/);
again('CGI',               'use CGI qw(:standard); print header, param("x"), path_info(); print CGI->new->param("x"); $CGI::POST_MAX = 3 if $CGI::POST_MAX == -1; print $CGI::POST_MAX',
    environment => { QUERY_STRING => 'x=1', REQUEST_METHOD => 'GET' });
again('POD at the end',    "print 1;\n\n=head1 X\n\n}\n");
again('DATA behind POD',   "print <DATA>;\n\n=head1 X\n\n=cut\n\n__END__\nx }\n");
again('a token in a text',   "print <<A, <DATA>;\n__END__ x\nA\n__END__\ny\n");
again('no semicolon',      "print 1 # }");
again('a format',          "our \$x = 3;\nformat STDOUT =\n@<<<\n\$x\n.\nwrite; print \$-;\n");
again('a heredoc',         "print <<A . <<B;\na\nA\nb\nB\nprint __LINE__");
again('utf8',              "use utf8; print length('\xe2\x98\xba'), <DATA>;\n__DATA__\n\xe2\x98\xba\n");
again('a lock',            'use Fcntl ":flock"; open my $f, "<", $0; print flock($f, LOCK_EX | LOCK_NB) ? 1 : 0; sub g { $f }');
again('exit in a module',  "use lib '$Launcher::FOLDER'; use Leaving; Leaving::now(); print 'no'")
    if Launcher::script('package Leaving; sub now { exit 6 } 1;', 'Leaving.pm');

again('CGI, later',        'require CGI; print CGI->new->param("x"); print CGI::param("x")', environment => { QUERY_STRING => 'x=1', REQUEST_METHOD => 'GET' }, masks => qr/.*list context.*/);
again('settings of a module', 'use Data::Dumper; print Dumper([1]); $Data::Dumper::Indent = 0; @Data::Dumper::EXPORT = (); $Not::There::x++; print $Not::There::x');
again('an END block before a use', 'END { print "end" } use POSIX; print POSIX::floor(2.5)');
again('files by <>',       'print while <>', arguments => ['/etc/hostname', '/etc/hostname']);
again('what is tied or read-only', 'use Config; print $Config::Config{version}; our (%t, @r); BEGIN { package T2; sub TIEHASH { bless {} } sub FETCH { "fetched" } package main; tie %t, "T2"; @r = (1, 2) unless @r; Internals::SvREADONLY(@r, 1) } print $t{x}, "@r"');
again('random numbers',    'print rand == $before ? 1 : 0; $Kept::before = $before = rand');
again('each',              'our %h; BEGIN { %h = (a => 1, b => 2) } my ($k) = each %h; print scalar keys %h; each %h; my @k = each %h; print defined $k ? 1 : 0');
again('local',             'our $x = 1; local $x = 2; local $, = "-"; local $ENV{X} = 3; print $x, $ENV{X}; exit');

# Every request has its own environment, arguments, input and start time.
my $server   = server(script => 'my $in = join "", <STDIN>; print "$$ $in $ENV{E} @ARGV $^T ", rand');
my $executor = $server->fork(requests => 9, stdin => 'in1');
my @seen;
for my $i (1 .. 3) {
    my $result = serve($server, $executor, stdin => "in$i", environment => { E => "e$i" }, arguments => ["a$i"]);
    push @seen, [split ' ', $result->{stdout}];
    is_deeply [@{ $seen[-1] }[0 .. 3]], [$seen[0][0], "in$i", "e$i", "a$i"], "request $i in the same process";
}
isnt $seen[1][5], $seen[2][5], 'random numbers';
isnt $seen[0][5], $seen[1][5], 'from the beginning';
close $executor->{call};
is_deeply [@{ $server->reap($executor) }{qw(status stderr)}], [0, ''], 'end-of-file while it is parked';
is $server->call(requests => undef, stdin => 'one')->{stdout} =~ / one / ? 1 : 0, 1, 'one request';

# Objects are destroyed, files closed, and the response ends, when a request ends.
my $left = server(script => <<'SCRIPT');
use Fcntl ':flock';
our $object = bless ['global']; my $lexical = bless ['lexical']; my $captured = bless ['captured']; sub f { $captured }
open LOCK, '<', $0; open my $lock, '<', $0; sub g { $lock }
print flock(LOCK, LOCK_SH), flock($lock, LOCK_SH);
open our $pipe, '|-', 'cat' or die; print $pipe 'piped';
END { open my $other, '<', $0; print flock($other, LOCK_EX | LOCK_NB) ? 1 : 0 }
sub DESTROY { syswrite STDERR, "$_[0][0] " }
SCRIPT
$executor = $left->fork(requests => 4);
for my $round (1 .. 3) {
    my $result = serve($left, $executor, environment => { PATH => $ENV{PATH} });
    is $result->{stdout}, '110piped', "what was written to a pipe, $round";
    like $result->{stderr}, qr/\blexical global \z/, "objects, $round";
}
$left->send($executor, environment => { PATH => $ENV{PATH} });
is join(' ', sort split ' ', $left->reap($executor)->{stderr}), 'captured global lexical', 'the last';

# The process is not used again.
my %doubtful = (
    'close STDOUT'                                                        => 0,
    'tie *STDOUT, "T"; sub T::TIEHANDLE { bless [] }'                     => 0,
    'if (!fork) { exec "sleep", 1 } $? = 0'                               => 0,
    'exec "true"'                                                         => 0,
    'kill TERM => $$; sleep 1'                                            => 15,
    "if (\$\$) { require '$Launcher::FOLDER/Ending2.pm' }"                              => 0,
    'if (!fork) { exit 3 } wait; close STDIN; exit 4'                     => 4 << 8,
);
Launcher::script('package Ending2; END { print "end" } 1;', 'Ending2.pm');
for my $statement (sort keys %doubtful) {
    my $server   = server(script => $statement);
    my $executor = $server->fork(requests => 9);
    is serve($server, $executor, environment => { PATH => $ENV{PATH} })->{status}, "ended with $doubtful{$statement}", $statement;
}

# Where it cannot be, and why.
my @once = (
    ['it runs under -T',                             '', '-T'],
    ['it has the switch -n',                             '', '-n'],
    ['it has the switch -s',                             "#!/usr/bin/perl -s\n"],
    ['it has a CHECK or an INIT block',              'INIT { $x++ }'],
    ['its text is not plain',                        "print 1;\r\nprint 2;\r\n"],
    ['setup has opened F',                           'BEGIN { open F, "<", $0 }'],
    ['a standard handle is closed or tied',          'BEGIN { close STDIN }'],
    ['its DATA is not where it should be',           "BEGIN { *x = sub { close DATA } } UNITCHECK { x() }\n__DATA__\n"],
    ['perl has changed what its name is',            'BEGIN { $0 = "other" }'],
    ['its text goes through a filter',               'use Filter::Util::Call;'],
);
for my $case (@once) {
    my ($reason, $text, @switches) = @$case;
    my $server = server(script => $text, switches => \@switches);
    is $server->{ready} && $server->{ready}{reuse}, undef, "$reason: not offered";
    is_deeply $server->{note}, ["each process serves one request, since $reason"], 'and why';
    is $server->call(requests => 5)->{status}, 0, 'one request';
}

# A thousand requests.
my $many = server(script => <<'SCRIPT', switches => ['-w']);
use strict; use CGI;
my $q = CGI->new; my @list = map { { n => $_ } } 1 .. 100; our %table = map { $_ => [$_] } 1 .. 100;
sub page { $q->header, scalar @list } END { 1 }
opendir my $f, '/proc/self/fd'; open my $memory, '<', '/proc/self/statm'; my ($size) = split ' ', <$memory>;
print page(), join(',', sort { $a <=> $b } grep { /\d/ } readdir $f), " $size";
exit 1 if $size % 2;
SCRIPT
$executor = $many->fork(requests => 1000);
my (%shown, @sizes);
for my $count (1 .. 999) {
    my $result = serve($many, $executor, environment => { REQUEST_METHOD => 'GET', QUERY_STRING => 'a=1' });
    $result->{stdout} =~ s/ (\d+)$// and push @sizes, $1;
    $shown{"$result->{stdout}$result->{stderr}"}++;
}
is_deeply [values %shown], [999], 'a thousand requests say the same' or diag explain \%shown;
cmp_ok $sizes[-1] - $sizes[99], '<', 50, 'and need no more memory' or diag join ' ', map { $sizes[ $_ * 100 - 1 ] } 1 .. 9;

done_testing;
