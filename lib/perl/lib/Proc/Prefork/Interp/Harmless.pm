package Proc::Prefork::Interp::Harmless;

# May a file that a script requires be loaded in setup, once, and not in each request?
# A module (.pm) may, as it would with `use`. An old library or configuration (.pl) may do at its
# top level what belongs to one request: look at the time, print, read. It is read as text,
# and what stands outside the bodies of its named subs must be made of words that are known to do
# no such thing. The bodies are not looked at, so nothing may call them.
#
# Whatever is in doubt is not harmless: then the script loads the file itself, as ever.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

use Proc::Prefork::Interp::Tokens;
use Proc::Prefork::Interp::Watch;

sub LARGEST () { 256 << 10 }    # a file with more is not read
sub DEEPEST () { 5 }            # how far files are followed that require others

my %harmless = map { $_ => 1 } qw(
    my our local use no require package if elsif else unless for foreach while until last next redo
    return and or not xor eq ne lt gt le ge cmp x ref defined undef exists delete keys values each push
    unshift splice scalar join split map grep sort reverse lc uc lcfirst ucfirst length substr index
    rindex sprintf abs int sqrt hex oct ord chr pack unpack quotemeta bless die eval do chomp chop BEGIN END
    __FILE__ __LINE__ __PACKAGE__
    basename dirname fileparse catfile catdir canonpath rel2abs abs_path getcwd cwd blessed reftype
);

# Words in the names of methods, classes and functions whose value is another each time.
my $FRESH = qr/time|date|clock|now|today|rand|uuid|guid|uniq|token|nonce|secret|salt|crypt|session|temp|pid|host/i;

# Variables that differ from request to request, or are of no use before it.
my $OF_REQUEST = qr/^[\$\@%*](?:\#|)(?:(?:main)?::)?(?:\$|ARGV(?:OUT)?|SIG|INC|ENV|\^T|STDIN|STDOUT|STDERR|<|>|\(|\))$/;

# Variables that a gateway may add to a request, and that setup then has not.
my $OF_GATEWAY = qr/^(?:GATEWAY|DOCUMENT|REDIRECT|SSL|AUTH|UNIQUE)_/;

# file($path, $name, $approved) returns true if the file is harmless that is required by this name, and then
# has noted it, and all files that it requires, in the hash $approved refers to: path => name.
sub file {
    my ($path, $name, $approved, $depth) = @_;
    return 1 if exists $approved->{$path};
    my $text = _read($path) // return;
    if ($path =~ /\.pm$/) {
        # In setup such a block would run; at run time perl only warns of it.
        return if $text =~ /^\s*(?:INIT|CHECK)\s*\{/m;
        return $approved->{$path} = $name;
    }
    return if ($depth // 0) > DEEPEST;
    $approved->{$path} = $name;
    my $tokens = Proc::Prefork::Interp::Tokens::new($text);
    my $state  = { approved => $approved, depth => ($depth // 0) + 1, last => ';' };
    while (1) {
        my ($kind, $text) = Proc::Prefork::Interp::Tokens::next($tokens);
        return 1 if $kind eq 'end';
        if (!_may($tokens, $state, $kind, $text)) {
            delete $approved->{$path};
            return;
        }
        $state->{last} = $text;
    }
}

# find($name) returns the path of a file as perl's require finds it, or nothing.
sub find {
    my ($name) = @_;
    return -f $name ? $name : undef if $name =~ m{^\.{0,2}/};
    for my $folder (@INC) {
        return if ref $folder;    # a hook: it may find anything
        return "$folder/$name" if -f "$folder/$name";
    }
    return;
}

sub _read {
    my ($path) = @_;
    return unless -f $path && -s _ <= LARGEST;
    open my $file, '<:raw', $path or return;
    local $/;
    return scalar readline $file;
}

# One token at file level.
sub _may {
    my ($tokens, $state, $kind, $text) = @_;
    if ($kind eq 'sub' && $text ne '') {
        return if $state->{used}{$text};
        $state->{own}{$text} = 1;
        return Proc::Prefork::Interp::Tokens::skip_block($tokens);
    }
    if (my $wanted = delete $state->{environment}) {    # $ENV{NAME}, and nothing else
        return $text eq '{' && ($state->{environment} = 'name') if $wanted eq '{';
        return $kind eq 'string' && $text !~ $Proc::Prefork::Interp::Watch::REQUEST
            && ($text !~ $OF_GATEWAY || exists $ENV{$text});
    }
    return 1 if $kind eq 'number' || $kind eq 'string' || $kind eq 'list' || $kind eq 'here' || $kind eq 'sub';
    return _replaces($text) if $kind eq 'text';
    return $text !~ /\(\?\??\{/ && _replaces($text) if $kind eq 'pattern';
    return _variable($state, $text) if $kind eq 'variable';
    return $state->{last} eq '\\' if $kind eq 'call';    # a reference to a sub calls nothing
    return _word($tokens, $state, $text) if $kind eq 'word';
    return $text !~ /^[&*]$/ if $kind eq 'cast';
    return $kind eq 'operator' && !($text eq '(' && $state->{last} =~ /^(?:->|\})$/);    # a call by reference
}

sub _variable {
    my ($state, $text) = @_;
    $state->{environment} = '{' if $text eq '$ENV';
    return $text eq '$ENV' || $text !~ $OF_REQUEST;
}

# What is put into a string: plain variables, and elements by plain indices.
sub _replaces {
    my ($text) = @_;
    $text =~ s/\\.//gs;
    while ($text =~ /[\$\@](?=\S)/g) {
        next if $text =~ /\G(?=[)|])/;    # the end of a line, in a pattern
        $text =~ /\G(?:(::)?\w+(?:::\w+)*|\{\w+\}|[&!,.;\/\\])/gc or return;
        return if $text =~ /(?:^|[\$\@{])(?:main::|::)?(?:ENV|ARGV|SIG|INC)\}?\G/;
        while ($text =~ /\G(?:->)?(?=[\[\{])/gc) {
            $text =~ /\G(?:\[(?:-?\d+|\$\w+)\]|\{(?:\$?\w+|'[^']*'|"[^"]*")\})/gc or return;
        }
    }
    return 1;
}

sub _word {
    my ($tokens, $state, $word) = @_;
    return $word !~ $FRESH if $state->{last} eq '->';
    return _use($tokens, $state) if $word eq 'use' || $word eq 'no';
    return _require($tokens, $state) if $word eq 'require';
    my $rest = substr $tokens->{text}, pos $tokens->{text}, 40;
    if ($word eq 'END' && $rest =~ /^\s*\{/) {
        return Proc::Prefork::Interp::Tokens::skip_block($tokens);
    }
    return $rest =~ /^\s*\{/ if $word eq 'do' || $word eq 'eval';
    return 1 if $state->{last} eq 'package';
    if ($rest =~ /^\s*->/ || $word =~ /::/) {    # a class, or a function of one
        my ($class) = $rest =~ /^\s*->/ ? $word : $word =~ /^(.*)::/;
        return $word !~ $FRESH && ($state->{classes}{$class} || $INC{ $class =~ s{::}{/}gr . '.pm' });
    }
    $state->{used}{$word} = 1;
    return $harmless{$word} && !$state->{own}{$word};
}

# A module, as with any script. What it exports is not known, so its words stay unknown.
sub _use {
    my ($tokens, $state) = @_;
    my ($kind, $text) = Proc::Prefork::Interp::Tokens::next($tokens);
    $state->{classes}{$text} = 1 if $kind eq 'word';
    while (!($kind eq 'operator' && $text eq ';')) {
        return if $kind eq 'end' || $kind eq 'doubt';
        ($kind, $text) = Proc::Prefork::Interp::Tokens::next($tokens);
    }
    return 1;
}

# A module, or a file with a constant name that is harmless, too.
sub _require {
    my ($tokens, $state) = @_;
    my ($kind, $text) = Proc::Prefork::Interp::Tokens::next($tokens);
    return 1 if $kind eq 'number' || $kind eq 'word' && $text =~ /^v\d/;
    if ($kind eq 'word') {
        $state->{classes}{$text} = 1;
        return 1;
    }
    return if $kind ne 'string' && ($kind ne 'text' || $text =~ /[\$\@\\]/);
    return 1 if $text =~ /\.pm$/;
    my $path = find($text) // return;
    return file($path, $text, $state->{approved}, $state->{depth});
}

1;
