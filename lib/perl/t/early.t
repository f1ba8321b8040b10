# Files that a script requires first thing: which are loaded in setup, which are not, and that nobody can tell.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Launcher;

my $folder = $Launcher::FOLDER;
my $count  = 0;

# Runs a script cold and warm, where these files are beside it, and compares. Then compares which of the
# files setup has loaded.
sub early {
    my ($name, $text, $files, $wanted, %o) = @_;
    my $here = "$folder/" . ++$count;
    mkdir $_ for $here, "$here/more";
    Launcher::script($files->{$_}, "$count/$_") for keys %$files;
    my $path    = Launcher::script($text =~ s/HERE/$here/gr, "$count/script.pl");
    my %request = (environment => { QUERY_STRING => 'a=1', PATH => $ENV{PATH}, DOCUMENT_ROOT => '/srv', %{ $o{environment} // {} } }, stdin => "in\n");
    my %setup   = (path => $path, folder => $here, switches => $o{switches} // []);
    my $cold    = Launcher::cold(%setup, %request);
    my $server  = Launcher->start(%setup, environment => { PATH => $ENV{PATH} }, settings => $o{settings} // []);
    ok $server->{ready}, "$name: is warm" or return diag $server->{cold} // $server->log;
    my %loaded = map { $_ => 1 } @{ $server->{file} };
    is join(' ', grep { $loaded{"$here/$_"} || $loaded{"$here/./$_"} } sort keys %$files), $wanted, "$name: what is loaded in setup";
    for my $round (1, 2) {
        my $warm = $server->call(%request);
        is_deeply { map { $_ => $warm->{$_} } keys %$cold }, $cold, "$name, round $round";
    }
    is $server->stop, 0, 'the server ends';
    $o{log} ? like $server->log, $o{log}, 'the log' : is $server->log, '', 'and nothing was logged';
    return;
}

my $show = q{print join "|", map { $_ // "undef" } $x, "@y", $ENV{X}, "@INC", $h, $0, (join ",", sort keys %INC), umask; };
my $lib  = 'our $h = "lib: " . ($x // "") . ($ENV{X} // ""); sub page { print "page ", @_ } 1;';

# How a script may begin.
my %forms = (
    'an absolute path'     => 'require "HERE/a.pl";',
    'a relative path'      => 'require "./a.pl";',
    'another quote'        => 'require q(HERE/a.pl);',
    'a comment, a pod'     => "# first\n\n=head1 NAME\n\nrequire 'x';\n\n=cut\n\nrequire 'HERE/a.pl'; # last\n",
    'what perl has done'   => 'use strict; no strict; use POSIX qw(floor); package main; require 5.006; require "./a.pl";',
    'subs and blocks'      => 'sub early { my %o = @_; return "}" if $o{y} =~ m{/}; } BEGIN { $z = "}" } END { } require "./a.pl";',
    'a lexical'            => 'my $dir = "HERE"; my ($one, %two) = (1); my $q = $ENV{QUERY_STRING} || ""; require "$dir/a.pl";',
    'lexicals at length'   => 'my %c = (a => [1, "b"], c => { d => "x" }); $c{e} = "f"; my $d = "HERE"; my $l = $d . "/" . "a.pl"; require $l;',
    'a lexical changed'    => 'my $d = "/none"; $d = "HERE"; require "${d}/a.pl";',
    'a global'             => '$x = "set"; require "./a.pl";',
    'a global of ours'     => 'our $x = "set"; our (@y); @y = qw(a b); our %z = (a => 1); require "./a.pl";',
    'the environment'      => '$ENV{X} = "set"; $ENV{"PATH"} = "/bin:/usr/bin"; delete @ENV{qw(IFS CDPATH)}; delete $ENV{Y}; require "./a.pl";',
    '@INC at its end'      => 'push @INC, "HERE", "HERE/more"; require "a.pl";',
    '@INC at its start'    => 'my $d = "HERE"; unshift(@INC, "$d/more", $d); require "a.pl";',
    'FindBin'              => 'use FindBin; require "$FindBin::Bin/a.pl";',
    'dirname'              => 'use File::Basename; my $here = dirname(__FILE__); require "$here/a.pl";',
    'output'               => '$| = 1; binmode STDOUT; binmode(STDERR, ":utf8"); local $| = 1; require "./a.pl";',
    'the first of two'     => 'require "./a.pl"; $z = time; require "./b.pl";',
);
for my $name (sort keys %forms) {
    early($name, "$forms{$name} $show page(1);", { 'a.pl' => $lib, 'b.pl' => '1;' }, 'a.pl');
}
early('two files', 'require "./a.pl"; require "./b.pl"; ' . $show, { 'a.pl' => $lib, 'b.pl' => '$y[0] = "b"; 1;' }, 'a.pl b.pl');
early('a file of a file', 'require "./a.pl"; ' . $show, { 'a.pl' => 'require "./b.pl"; 1;', 'b.pl' => $lib }, 'a.pl b.pl');
early('modules', "use lib 'HERE'; require Mine; require 'Other.pm'; $show", { 'Mine.pm' => 'package Mine; $t = time; 1;', 'Other.pm' => '1;' }, 'Mine.pm Other.pm');
early('modules of the system', "require CGI; require POSIX; print CGI->new->param('a'); $show", {}, '', environment => { REQUEST_METHOD => 'GET' });
early('what a file changes stays', "require './a.pl'; $show print \$SIG{__DIE__} ? 1 : 0, \$,;",
    { 'a.pl' => 'use lib "/lib1"; use CGI::Carp "fatalsToBrowser"; $, = "-"; $ENV{NEW} = 1; $x = "x"; 1;' }, 'a.pl');
early('@INC of both', "push \@INC, '/a'; require './a.pl'; $show", { 'a.pl' => 'use lib "/b"; 1;' }, 'a.pl');
early('a stack', "\n\nrequire './a.pl'; print \@where;", { 'a.pl' => '@where = (__FILE__, __LINE__); 1;' }, 'a.pl');
early('the caller is the script', "\n\nuse lib 'HERE'; require Mine; print \"\@Mine::where\";", { 'Mine.pm' => 'package Mine; @where = (caller)[0 .. 2]; 1;' }, 'Mine.pm');
early('a warning', "#!/usr/bin/perl -w\nrequire './a.pl'; print 'x';", { 'a.pl' => "sub a { return \"\$_[0]\" }\nour \$k; 1;" }, 'a.pl');
early('DOCUMENT_ROOT as a default', 'require "./a.pl"; print $o{root};', { 'a.pl' => 'require Mine; %o = Mine->new(root => "/x"); 1;', 'Mine.pm' => 'package Mine; sub new { my $c = shift; my %o = (root => $ENV{DOCUMENT_ROOT}, @_); return %o } 1;' }, '', );

# Statements behind which nothing is loaded early.
my %others = (
    'a call'                  => 'page0(); sub page0 { $x = 1 } require "./a.pl";',
    'a value that is unknown' => 'our $x = $ENV{QUERY_STRING}; require "./a.pl";',
    'a call for a lexical'    => 'my $d = sprintf "%s", "HERE"; require "$d/a.pl";',
    'a variable of a request' => '$ENV{SCRIPT_NAME} = "/x"; require "./a.pl";',
    'a condition'             => 'require "./a.pl" if $ENV{QUERY_STRING};',
    'what it returns'         => 'my $r = require "./a.pl"; print $r;',
    'or die'                  => 'require "./a.pl" or die;',
    'eval'                    => 'eval { require "./a.pl" };',
    'another folder'          => 'chdir "more"; require "../a.pl";',
    'a signal'                => '$SIG{ALRM} = "IGNORE"; require "./a.pl";',
    'another package'         => 'package Other; require "./a.pl"; package main;',
    'an unknown folder'       => 'require "$ENV{DOCUMENT_ROOT}/../HERE/a.pl";',
    'a block'                 => '{ require "./a.pl"; }',
    'an INIT block'           => "INIT { \$x = 2 }\nrequire './a.pl';",
    'do'                      => 'do "./a.pl";',
    'a file that is not there' => 'eval { 1 }; require "./none.pl" if 0; require "./a.pl";',
);
for my $name (sort keys %others) {
    early($name, "$others{$name} $show", { 'a.pl' => $lib }, '');
}

# Files that are not loaded early.
my %files = (
    'time'                => '$now = time; 1;',
    'localtime'           => '($s, $m) = localtime; 1;',
    'a process'           => '$p = $$; 1;',
    'a process in a text' => '$p = "a$$"; 1;',
    'random'              => '$r = int(rand(10)) * 0; 1;',
    'arguments'           => '$a0 = $ARGV[0]; 1;',
    'shift'               => '$a0 = shift; 1;',
    'print'               => 'print "Content-Type: text/plain\n\n"; 1;',
    'standard input'      => '$l = <STDIN>; 1;',
    'a request'           => '$q = $ENV{QUERY_STRING}; 1;',
    'a request in a text' => '$q = "<$ENV{QUERY_STRING}>"; 1;',
    'a computed variable' => '$n = "QUERY" . "_STRING"; $q = $ENV{$n}; 1;',
    'all variables'       => '%e = %ENV; 1;',
    'open'                => 'open(F, "<", $0); 1;',
    'a command'           => '$u = `echo x`; 1;',
    'a file test'         => '$e = -e "/etc/passwd" ? 1 : 0; 1;',
    'exit'                => 'print "x"; exit 3;',
    'chdir'               => 'chdir "/"; 1;',
    'umask'               => 'umask 0; 1;',
    'a signal'            => '$SIG{ALRM} = "IGNORE"; 1;',
    'its own sub'         => 'sub init { $x = time ? 1 : 0 } init(); 1;',
    'its own sub, by &'   => 'sub init { $x = time ? 1 : 0 } &init; 1;',
    'code in a text'      => '$x = "@{[ time ? 1 : 0 ]}"; 1;',
    'a text of code'      => 'eval "\$x = 1"; 1;',
    'another file'        => 'do "./none.pl"; 1;',
    'an index in a text'  => '@i = (1) x 9; $x = "$i[time - time]"; 1;',
    'an unknown variable' => '$z = $ENV{GATEWAY_INTERFACE}; 1;',
    'time of a module'    => 'use POSIX; $x = POSIX::time() ? 1 : 0; 1;',
    'an object by new X'  => 'use CGI; $q = new CGI; 1;',
    'here'                => "\$x = <<E;\n\$ENV{QUERY_STRING}\nE\n1;",
    'a division or not'   => '$x = foo / 2; sub foo { 4 } 1;',
    'a sleeping reference' => '$c = sub { time }; $x = $c->() ? 1 : 0; 1;',
    'what is in doubt'    => "format STDOUT =\nx\n.\n1;",
    'a dynamic require'   => '$f = "./b.pl"; require $f; 1;',
    'a file of a file'    => 'require "./c.pl"; 1;',
);
for my $name (sort keys %files) {
    early($name, "require './a.pl'; $show", { 'a.pl' => $files{$name}, 'b.pl' => '1;', 'c.pl' => '$y[0] = time ? 1 : 0; 1;' }, '');
}
early('as much as can be', 'require "./a.pl"; require "./b.pl"; ' . $show, { 'a.pl' => $lib, 'b.pl' => '$z = time; 1;' }, 'a.pl');

# What is only seen when it has happened: setup begins anew.
my %surprises = (
    'a request'            => ['package Mine; $q = $ENV{QUERY_STRING}; 1;', '$Mine::q'],
    'a request, hidden'    => ['package Mine; sub q { $_[0]->{QUERY_STRING} } $q = Mine::q(\%ENV); 1;', '$Mine::q'],
    'an error'             => ['package Mine; die "no\n";', '1'],
    'a false value'        => ['package Mine; 0;', '1'],
    'a file to write'      => ['package Mine; open our $f, ">>", "/dev/null"; 1;', '1'],
    'a socket'             => ['package Mine; socket our $f, 1, 1, 0; 1;', '1'],
    'a value of the script' => ['package Mine; $main::x = "mine"; 1;', '$x'],
    'DOCUMENT_ROOT'        => ['package Mine; $q = "$ENV{DOCUMENT_ROOT}/x"; 1;', '$Mine::q'],
    'DOCUMENT_ROOT, kept'  => ['package Mine; $q = $ENV{DOCUMENT_ROOT}; 1;', '$Mine::q'],
);
for my $name (sort keys %surprises) {
    my ($module, $value) = @{ $surprises{$name} };
    early("surprise: $name", "use lib 'HERE'; \$x = 'script'; require Good; require Mine; print $value; $show", { 'Good.pm' => '1;', 'Mine.pm' => $module }, 'Good.pm');
}
early('a value that a file assigns', "my \$a = \$b; require './a.pl'; print \$a; $show", { 'a.pl' => '$b = 1; 1;' }, '');
early('a text with it', "my \$a = qq(\$b); require './a.pl'; print \$a; $show", { 'a.pl' => '$b = 1; 1;' }, '');
early('an element of it', "my \$a = \$b{x}; require './a.pl'; print \$a; $show", { 'a.pl' => '$b{x} = 1; 1;' }, '');
early('a variable that a file sets', "my \$a = \$ENV{TZ}; require './a.pl'; print \$a; $show", { 'a.pl' => '$ENV{TZ} = "UTC"; 1;' }, '', environment => { TZ => 'CET' });
early('one that setup has', "my \$a = \$ENV{TZ}; require './a.pl'; print \$a; $show", { 'a.pl' => '$z = $ENV{PATH}; $z = "$y[0] $h{x}"; 1;' }, 'a.pl');
early('one of BEGIN', "BEGIN { \$b = 'x' } my \$a = \$b; require './a.pl'; print \$a; $show", { 'a.pl' => '$b = 1; 1;' }, '');
early('@INC in another order', "unshift \@INC, '/a'; require './a.pl'; $show", { 'a.pl' => 'use lib "/b"; 1;' }, '');
early('surprises twice', "use lib 'HERE'; require One; $show", { 'One.pm' => 'BEGIN { if ($ENV{QUERY_STRING}) { } } 1;' }, '');
early('not at all', 'require "./a.pl"; ' . $show, { 'a.pl' => $lib }, '', settings => ['early=0']);
early('under -T', 'require "./a.pl"; print $h', { 'a.pl' => $lib }, '', switches => ['-T']);

done_testing;
