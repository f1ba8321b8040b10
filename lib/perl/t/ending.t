# The quick end: what perl's own end does is never missing, and where it does nothing it is left out.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Launcher;

# A script cannot tell the two ends apart; so these tests have a copy of the library that says "quick".
my $spy = "$Launcher::FOLDER/spy";
system 'cp', '-r', $Launcher::LIB, $spy;
my $path = "$spy/Proc/Prefork/Interp/Ending.pm";
open my $in, '<', $path or die $!;
my $text = do { local $/; readline $in };
$text =~ s/^    (?=Proc::Prefork::Interp::Syscall::release\()/    syswrite STDERR, "quick\\n";/m or die 'there is no such line';
open my $out, '>', $path or die $!;
print $out $text;
close $out;

# What the server has found out counts for the executors that it forks afterwards. It sends the scout when it has
# told of the first one's end.
sub until_scout_is_back {
    my ($server) = @_;
    my @children;
    for (1 .. 400) {
        open my $children, '<', "/proc/$server->{pid}/task/$server->{pid}/children" or die $!;
        @children = split ' ', readline($children) // '' and last;
        select undef, undef, undef, 0.005;
    }
    for my $child (@children) {
        while (open my $stat, '<', "/proc/$child/stat") {
            last if readline($stat) =~ /\) Z/;
            select undef, undef, undef, 0.005;
        }
    }
}

# ends($name, $script, %options) runs a script several times. quick: how all but the first are to end.
sub ends {
    my ($name, $script, %o) = @_;
    my $server = Launcher->start(($o{path} ? 'path' : 'script') => $o{path} // $script, lib => $spy, mode => $o{mode} // 'automatic', switches => $o{switches} // []);
    return fail("$name: " . ($server->{cold} // $server->log)) unless $server->{ready};
    my $expected = $o{stdout} // '';
    my $compare  = ref $expected ? \&like : \&is;
    for my $round (1 .. $o{rounds} // 3) {
        unlink "$server->{path}.out";
        my $result = $server->call(environment => { PATH => $ENV{PATH}, %{ $o{environment} // {} } }, stdin => 'input');
        my $quick  = $result->{stderr} =~ s/quick\n// ? 1 : 0;
        my $file   = -e "$server->{path}.out" ? Launcher::_text(do { open my $f, '<', "$server->{path}.out"; $f }) : undef;
        $compare->($result->{stdout}, $expected, "$name, $round: stdout");
        is $result->{stderr}, $o{stderr} // '', "$name, $round: stderr";
        is $result->{status}, $o{status} // 0, "$name, $round: status";
        is $file, $o{file}, "$name, $round: file";
        until_scout_is_back($server) if $round == 1;
        is $quick, $o{quick}, "$name, $round: " . ($o{quick} ? 'quick' : 'not quick') if $round > 1;
    }
    is $server->stop, 0, "$name: the server ends";
    return;
}

Launcher::script('package Older; END { print "END" } 1;', 'Older.pm');
my $write = 'sub { open my $f, ">", "$0.out"; print $f "destroyed" }';

# Nothing is left.
ends('nothing',       'print "x"', quick => 1, stdout => 'x');
ends('exit 3',        'print "x"; exit 3', quick => 1, stdout => 'x', status => 3 << 8);
ends('die',           'print "x"; die "no\n"', quick => 1, stdout => 'x', stderr => "no\n", status => 255 << 8);
ends('END',           'END { print "end $?"; $? = 7 } exit 2', quick => 1, stdout => 'end 2', status => 7 << 8);
ends('exit 256',      'exit 256', quick => 1);
ends('buffers',       'open our $f, ">", "$0.out"; print $f "line\n"; open my $o, ">&", \*STDOUT; print $o "copy"; print "std"; our $keep = $o',
    quick => 1, file => "line\n", stdout => 'stdcopy');
ends('layers',        'use Encode; binmode STDOUT, ":encoding(UTF-16LE)"; print "a"', quick => 1, stdout => "a\0");
ends('new classes',   'binmode STDOUT, ":encoding(UTF-16LE)"; print "a"', quick => 0, stdout => "a\0");
ends('global objects', 'package A; our $x = bless []; sub DESTROY {} package B; our $y = bless []; sub DESTROY { return; } package C; our $z = bless {}',
    quick => 1);
ends('a hundred KB',   'print "x" x 1e5', quick => 1, stdout => 'x' x 1e5);
ends('explicit',      'use Proc::Prefork::Interp; prefork_initialisation_complete(); print "x"; exit 4', mode => 'explicit',
    quick => 1, stdout => 'x', status => 4 << 8);
ends('explicit, after a module with an END', "use lib '$Launcher::FOLDER'; use Older; use Proc::Prefork::Interp; prefork_initialisation_complete(); print 1",
    mode => 'explicit', quick => 0, stdout => '1END');
ends('explicit, loaded first', "use lib '$Launcher::FOLDER'; use Older; use Proc::Prefork::Interp; prefork_initialisation_complete(); print 1",
    mode => 'explicit', quick => 1, stdout => '1END', switches => ['-I', $spy, '-mProc::Prefork::Interp']);
ends('taint',         'print "x"', switches => ['-T'], quick => 1, stdout => 'x');
ends('warnings',      'print "x"', switches => ['-w'], quick => 1, stdout => 'x');
ends('a dead child',  'system "true"; my $p = fork // die; exit 5 unless $p; waitpid $p, 0; print $? >> 8', quick => 1, stdout => 5);
ends('an object that has gone', 'package A; { my $x = bless [] } sub DESTROY { print "gone" }', quick => 1, stdout => 'gone');
ends('qr, IO, methods', 'use IO::Handle; our $q = qr/x/; our $f = IO::Handle->new; package A; sub m {} package B; our @ISA = "A"; B->m; main->can("x")',
    quick => 1);

# Something is left.
my %left = (
    'an object'                => 'our $x = bless []; BEGIN { *DESTROY = WRITE }',
    'an object in a lexical'   => 'my $x = bless []; sub f { $x } BEGIN { *DESTROY = WRITE }',
    'an object in a circle'    => 'my $x = bless {}; $x->{x} = $x; BEGIN { *DESTROY = WRITE }',
    'an object of setup'       => 'our $x; BEGIN { *DESTROY = WRITE; $x = bless [] }',
    'AUTOLOAD'                 => 'our $x = bless []; BEGIN { *AUTOLOAD = WRITE }',
    'a class that inherits'    => 'package A; BEGIN { *DESTROY = main::WRITE } package B; our @ISA = "A"; our $x = bless [];',
    'a class by eval'          => 'eval q{ package New::Class; *DESTROY = main::WRITE; }; our $x = bless [], "New::Class"',
    'a class made by hand'     => '*{"Other::Class::DESTROY"} = WRITE; our $x = bless [], "Other::Class"',
    'a method made by hand'    => 'package A; BEGIN { *m = sub { 1 } } our $x = bless []; *DESTROY = main::WRITE;',
    'a parent made by hand'    => 'package A; BEGIN { *DESTROY = main::WRITE } package B; sub m {} our @ISA; our $x = bless []; @ISA = "A"',
    'a tied variable'          => 'sub TIESCALAR { bless [] } tie our $x, "main"; BEGIN { *DESTROY = WRITE }',
    'a setup\'s object freed, another made' => 'our $x; BEGIN { *DESTROY = sub { (WRITE)->() if ref $_[0][0] }; $x = bless [] } undef $x; our $y = bless [[]]',
);
for my $name (sort keys %left) {
    my $script = $left{$name} =~ s/(?:main::)?WRITE/\$main::write/gr =~ s/\(\$main::write\)/\$main::write/gr;
    ends($name, "BEGIN { our \$write = $write } $script", quick => 0, file => 'destroyed');
}
ends('a pipe that is waited for', 'open M, "|cat >$0.tmp; sleep 0.2; mv $0.tmp $0.out" or die; print M "mail"', quick => 0, file => 'mail');
ends('a pipe from a program',     'open M, "sleep 0.2; echo x >$0.out|" or die', quick => 0, file => "x\n");
ends('stdout that cannot be written', '$SIG{PIPE} = "IGNORE"; pipe my $r, my $w; close $r; open STDOUT, ">&", $w; print "x"',
    quick => 1, stderr => "Unable to flush stdout: Broken pipe\n", status => 1 << 8);
ends('a layer in Perl', 'package L; sub PUSHED { bless [] } sub WRITE { print {$_[2]} uc $_[1]; length $_[1] } sub FLUSH { 0 } package main; use PerlIO::via;'
    . 'open our $f, ">:via(L)", "$0.out" or die $!; print $f "via"', quick => 0, file => 'VIA');
ends('an END of an older module', 'print 1', quick => 0, stdout => '1END', switches => ['-I', $Launcher::FOLDER, '-MOlder']);

# Programs as they are.
if (eval { require CGI }) {
    ends('CGI', 'use CGI; my $q = CGI->new(""); print $q->escapeHTML("<"), $q->start_html ? 1 : 0; our $keep = $q; CGI::param("x")', quick => 1, stdout => '&lt;1');
}
if (eval { require HTML::Mason }) {
    Launcher::script("% for my \$i (1 .. 3) {\n<% \$i |h %>\n% }\n", 'page.html');
    ends('HTML::Mason', <<"SCRIPT", mode => 'explicit', quick => 1, stdout => qr/\n1\n2\n3\n\z/);
use Proc::Prefork::Interp;    # its END block is the last of all
use HTML::Mason::CGIHandler;
my \$handler = HTML::Mason::CGIHandler->new(comp_root => '$Launcher::FOLDER', data_dir => '$Launcher::FOLDER/mason');
\$handler->interp->load('/page.html');
prefork_initialisation_complete();
\@ENV{qw(PATH_INFO REQUEST_METHOD)} = qw(/page.html GET);
\$handler->handle_request;
SCRIPT
}
for my $gitweb (grep { -e } '/usr/share/gitweb/gitweb.cgi') {
    ends('gitweb', '', path => $gitweb, quick => 1, stdout => qr/<html/,
        environment => { GATEWAY_INTERFACE => 'CGI/1.1', REQUEST_METHOD => 'GET', SCRIPT_NAME => '/', SERVER_NAME => 'x', GITWEB_CONFIG => '/dev/null' });
}

done_testing;
