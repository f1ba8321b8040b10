package Cases;

# What a script may do that must be seen and said as it is cold, whichever way it is run: lists of a name, the
# script's text, and options (those of a call and of setup, the file's name, and masks, a pattern of what may differ).

use strict;
use warnings;
use Launcher;

our @COMMON = (
    ['FindBin and a relative name', 'use FindBin; use Cwd; print "$FindBin::Bin $FindBin::Script $0 ", getcwd, "\n"; warn "here";',
        file => 'relative.pl', relative => 'relative.pl', folder => $Launcher::FOLDER],
    ['die',              "\n\ndie 'no'"],
    ['die of an object', 'die bless {}, "Thing"; package Thing; use overload q("") => sub { "a thing\n" };'],
    ['a hook for die',   'BEGIN { $SIG{__DIE__} = sub { print "hook: $_[0]", $^S } } print "start\n"; eval { die "caught\n" }; die "end\n"'],
    ['a hook for warn',  'BEGIN { $SIG{__WARN__} = sub { print "hook: $_[0]" } } my $x; use warnings; print "a" . $x; warn "b"'],
    ['croak',            'use Carp; sub f { Carp::cluck("deep") } f(1, "a"); Carp::confess("end");'],
    ['exit in eval',     'eval { exit 5 }; print "not here"'],
    ['END and DESTROY', <<'SCRIPT'],
my $lexical = bless [];
our $global = bless [];
sub DESTROY { print "destroy\n" }
END { print "end $?\n"; $? = 4 }
print "run\n";
exit 3;
SCRIPT
    ['a runtime error',  "my \@a = (1);\nmy \$x = \$a[0]->method;\n"],
    ['DATA',             "print <DATA>; print tell(DATA) > 0 ? 'ok' : 'no';\n__DATA__\n" . "line\n" x 5000],
    ['DATA of a module', "package Other; sub r { print <Other::DATA> } package main; Other::r(); package Other;\n__DATA__\nother\n"],
    ['line of input',    'my $x = <STDIN>; warn "after"; print <STDIN>; die "end"', stdin => "a\nb\nc\n"],
    ['layers',           'use open qw(:std :utf8); print length(<STDIN>), chr(0x263a), "\n"', stdin => "\xe2\x98\xba"],
    ['layers by -C',     'print length(<STDIN>), length($ARGV[0]), chr(0x263a), <DATA>' . "\n__DATA__\n\xe2\x98\xba\n",
        stdin => "\xe2\x98\xba", arguments => ["\xe2\x98\xba"], switches => ['-CSDA']],
    ['environment set', <<'SCRIPT', environment => { PATH => '/usr/bin:/bin', KEPT => 1 }],
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
    ['a broken script caught', 'eval "1 +* 2"; print $@; eval { require No::Such::Module }; print $@ =~ /^Can\'t locate/ ? 1 : 0, exists $INC{"No/Such/Module.pm"} ? 1 : 0', masks => qr/\(eval \d+\)/],
    ['SIGPIPE is not ignored', 'system "cat /proc/self/status | grep Sig[IB]"; print $SIG{PIPE} // "undef"'],
    ['children',         'my $p = fork; if (!$p) { exit 3 } waitpid $p, 0; print $? >> 8, `echo $$` == $$ ? "same" : "other"'],
);

1;
