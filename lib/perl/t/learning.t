# Modules that executors load late: which the server learns to load itself, which it must not, and that nobody can tell.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Launcher;

my @cases;

# Takes down a case: a script, the files beside it, and the names of those modules that are learned.
sub learns {
    my ($name, $script, $files, $wanted, %o) = @_;
    my $here = "$Launcher::FOLDER/" . @cases;
    mkdir $here;
    $script = "use lib 'HERE';\n$script" unless $o{plain};
    $files = { map { $_ => $files->{$_} =~ s/HERE/$here/gr } keys %$files };
    Launcher::script($files->{$_}, @cases . "/$_") for keys %$files;
    my $say = "print STDERR join ' ', sort grep { -f '$here/' . \$_ } keys %INC;\n";    # what is loaded when it begins
    push @cases, { %o, name => $name, wanted => $wanted, folder => $here,
        path => Launcher::script(($script =~ /SAY/ ? $script =~ s/SAY/$say/r : $say . $script) =~ s/HERE/$here/gr, @cases . '/script.pl') };
    return;
}

sub until_trial_is_over {
    my ($server) = @_;
    open my $children, '<', "/proc/$server->{pid}/task/$server->{pid}/children" or die $!;
    for my $child (split ' ', readline($children) // '') {
        while (open my $stat, '<', "/proc/$child/stat") {
            last if (readline($stat) // ') Z') =~ /\) Z/;
            select undef, undef, undef, 0.005;
        }
    }
    return;
}

sub run {
    my ($case) = @_;
    my ($name, $path) = @$case{qw(name path)};
    my %request = (environment => { QUERY_STRING => 'a=1', PATH => $ENV{PATH}, SET => 1 }, stdin => 'in');
    my %setup   = (path => $path, folder => $case->{folder}, mode => $case->{mode} // 'automatic', switches => $case->{switches} // []);
    my $cold    = Launcher::cold(%setup, %request);
    my $server  = Launcher->start(%setup, environment => { PATH => $ENV{PATH}, SET => 1 });
    ok $server->{ready}, "$name: is warm" or return diag $server->{cold} // $server->log;
    my $loaded = '';
    for my $round (1 .. 10) {
        my $warm = $server->call(%request);
        $loaded = delete($warm->{stderr}) =~ s/^late\n//r;
        is_deeply { map { $_ => $warm->{$_} } qw(stdout status) }, { map { $_ => $cold->{$_} } qw(stdout status) }, "$name, round $round";
        until_trial_is_over($server);
    }
    is $loaded, $case->{wanted}, "$name: what the server has learned";
    my %told = map { $_ => 1 } @{ $server->{file} };
    ok !(grep { !$told{"$case->{folder}/$_"} } split ' ', $loaded), "$name: the launcher knows of it";
    is $server->stop, 0, "$name: the server ends";
    is $server->log, '', "$name: nothing was logged";
    return;
}

my $plain = 'package Mine; our $x = 1; our @list = (1, 2); sub f { return "f" . ++$x } 1;';

learns('a module',          'require Mine; print Mine::f();', { 'Mine.pm' => $plain }, 'Mine.pm');
learns('with others',       'require Two; require One; print Two::f();',
    { 'One.pm' => 'package One; use strict; our $x = 5; 1;', 'Two.pm' => 'package Two; require One; sub f { $One::x++ } 1;' }, 'One.pm Two.pm');
learns('a class',           'require Sub; print Sub->new->f;',
    { 'Sub.pm' => 'package Sub; use Base; our @ISA = ("Base"); sub new { bless {} } 1;', 'Base.pm' => 'package Base; sub f { "base" } 1;' }, 'Base.pm Sub.pm');
learns('one of two',        'require Mine; require Bad; print Mine::f(), $Bad::t > 1;', { 'Mine.pm' => $plain, 'Bad.pm' => 'package Bad; our $t = time; 1;' }, 'Mine.pm');
learns('the environment',   'require Mine; print $Mine::set;', { 'Mine.pm' => 'package Mine; our $set = $ENV{SET}; 1;' }, '');
learns('what it does later', 'require Mine; print Mine::f() > 1, Mine::g();',
    { 'Mine.pm' => 'package Mine; sub f { time } sub g { open my $f, "<", "/dev/null"; my @s = stat $f; return $ENV{QUERY_STRING} . (caller 0)[3] } 1;' }, 'Mine.pm');
learns('an END block',      'require Mine; print "x"; END { print "end" }', { 'Mine.pm' => $plain }, 'Mine.pm');
learns('explicit',          'use Proc::Prefork::Interp; prefork_initialisation_complete(); SAY require Mine; print Mine::f();', { 'Mine.pm' => $plain }, 'Mine.pm', mode => 'explicit');
learns('not reported',      'use Proc::Prefork::Interp; prefork_initialisation_complete(autoreload_inc => 0); SAY require Mine; print Mine::f();', { 'Mine.pm' => $plain }, '', mode => 'explicit');
learns('under -T',          'require Mine; print Mine::f();', { 'Mine.pm' => $plain }, '', switches => ['-T']);
learns('a folder of the request', 'unshift @INC, "HERE"; require Mine; print Mine::f();', { 'Mine.pm' => $plain }, '', plain => 1);
learns('a file that is none of perl\'s', 'require "./mine.pl"; print Mine::f();', { 'mine.pl' => $plain }, '');
learns('a value that the script sets before', '$Mine::x = 8; require Mine; print $Mine::x;', { 'Mine.pm' => $plain }, '');
learns('a list that the script sets before',  '@Mine::list = 8; require Mine; print @Mine::list;', { 'Mine.pm' => $plain }, '');
learns('a table of the script',   '%Mine::t = (a => 1); require Mine; print %Mine::t;', { 'Mine.pm' => 'package Mine; our %t = (b => 1); 1;' }, '');
learns('a sub that is replaced',  'sub f { "mine" } print f(); require Mine; print f();', { 'Mine.pm' => 'package Mine; no warnings; *{"main::f"} = sub { "new" }; 1;' }, '');
learns('a table that grows',      'BEGIN { %Other::t = (a => 1) } require Mine; print join ",", map { "$_$Other::t{$_}" } sort keys %Other::t;',
    { 'Mine.pm' => 'package Mine; $Other::t{b} = 2; 1;' }, 'Mine.pm');
learns('a table that changes',    'BEGIN { %Other::t = (a => 1) } require Mine; print join ",", map { "$_$Other::t{$_}" } sort keys %Other::t;',
    { 'Mine.pm' => 'package Mine; $Other::t{a} = 2; 1;' }, '');

# What a module does that another request, or another place, would see.
my %seen = (
    'the time'          => 'our $t = time;',
    'a file'            => 'open my $f, "<", "/etc/passwd"; our $line = <$f>;',
    'a folder'          => 'opendir our $d, "/";',
    'a file test'       => 'our @s = stat "/";',
    'random numbers'    => 'our $r = int rand 1000;',
    'its caller'        => 'our @c = caller;',
    'a request'         => 'our $q = $ENV{QUERY_STRING};',
    'the environment'   => '$ENV{NEW} = 1;',
    'a signal'          => '$SIG{ALRM} = "IGNORE";',
    'a hook'            => '$SIG{__WARN__} = sub { };',
    '@INC'              => 'push @INC, "/x";',
    'a layer'           => 'binmode STDOUT, ":utf8";',
    'perl\'s variables' => '$, = "-";',
    'unbuffered output' => '$| = 1;',
    'another handle'    => 'open our $h, ">", "/dev/null"; select $h; END { select STDOUT }',
    'the folder'        => 'chdir "/";',
    'umask'             => 'umask 7;',
    'output'            => 'print "late";',
    'output, buffered'  => 'print STDOUT "late";',
    'a warning'         => 'warn "late\n";',
    'a process'         => 'our $p = fork // die; if (!$p) { exec "true" } waitpid $p, 0;',
    'a command'         => 'our $p = `echo x`;',
    'a pipe'            => 'pipe our $r, our $w;',
    'its DATA'          => 'our $l = <DATA>; 1;' . "\n__DATA__\nline\n",
    'an END block'      => 'END { print "end" }',
    'the script\'s'     => 'our $d = $main::debug;',
    'arguments'         => 'our $first = $ARGV[0];',
    'the program'       => 'our $z = $0; $0 = "other";',
);
learns("surprise: $_", "require Mine; print 'x'; print \$| if 0;", { 'Mine.pm' => "package Mine; $seen{$_} 1;" =~ s/(__DATA__.*) 1;\z/$1/sr }, '') for sort keys %seen;
learns('surprise: exit', 'END { print "ended" } require Mine; print "x";', { 'Mine.pm' => 'package Mine; exit 3; 1;' }, '');
learns('surprise: die',  'eval { require Mine }; print "x";', { 'Mine.pm' => 'package Mine; die "no\n"; 1;' }, '');

# Only what is older than the server is learned.
my $written = time;
select undef, undef, undef, 0.1 while time < $written + 7;
run($_) for @cases;

done_testing;
