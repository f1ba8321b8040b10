package Proc::Prefork::Interp::Statements;

# What a script begins with, statement by statement, as far as that can be understood from its text:
#
#   pass                  nothing that a file could see: my $x = …; use, no, sub, BEGIN, END; package main;
#                         $| = 1; binmode STDOUT
#   load     file         require X;
#   assign   name, …      our $x = …; @x = …; $ENV{X} = …;
#   delete   name, …      delete $ENV{X}; delete @ENV{…};
#   folders  how, …       push @INC, …; unshift @INC, …
#   else                  any other, the end, and what is in doubt
#
# Values are constants, variables whose value is known, and these joined by dots. A lexical variable
# may get an unknown one, as long as nothing is called. A name is that of a package variable, with its sign,
# or "ENV" and a name.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

use Proc::Prefork::Interp::Tokens;
use Proc::Prefork::Interp::Watch;

my $ELSE = ['else'];
my $PASS = ['pass'];

# Variables that no file may change, since a statement before it has looked at them: name => [value].
our %looked_at;

my %lexical;    # what `my` has declared: its value, or undef if it is not known

# new($text) returns the statements of a script. There is one script in a process.
sub new {
    my ($text) = @_;
    return Proc::Prefork::Interp::Tokens::new($text);
}

# next($statements) returns the line of the next one, what it does, and with what.
sub next {
    my ($statements) = @_;
    my $statement = _statement($statements) or return 0, 'else';
    return $statement->{line}, @{ _understand($statement->{tokens}) // $ELSE };
}

# The next statement: line and tokens; nothing at the end and in doubt. What perl has done already, and
# the bodies of subs, are passed.
sub _statement {
    my ($tokens) = @_;
    my ($line, @found);
    while (1) {
        my ($kind, $text) = Proc::Prefork::Interp::Tokens::next($tokens);
        return if $kind eq 'doubt' || $kind eq 'end' && !@found;
        last if $kind eq 'end' || $kind eq 'operator' && $text eq ';' && !$tokens->{depth};
        $line = Proc::Prefork::Interp::Tokens::line($tokens) if !@found;
        if (!@found && ($kind eq 'sub' && $text ne '' || $kind eq 'word' && $text =~ /^(?:use|no|BEGIN|END)$/)) {
            Proc::Prefork::Interp::Tokens::skip_block($tokens) or return;
            next;
        }
        push @found, [$kind, $text];
    }
    return { line => $line, tokens => \@found };
}

# What a statement does, with what, as a reference to a list; nothing if it is of another kind.
sub _understand {
    my @tokens = @{ $_[0] };
    local $_ = join ' ', map { $_->[0] =~ /^(?:word|variable|operator)$/ ? $_->[1] : $_->[0] } @tokens;
    return $PASS if /^(?:package main|(?:local )?\$\| = number|\$\| \+\+|\+\+ \$\|)?$/;
    return $PASS if /^binmode (?:\( )?STD(?:IN|OUT|ERR)(?: , (?:string|text))?(?: \))?$/;
    return $PASS if /^our (?:\( )?[\$\@%]\w+(?: , [\$\@%]\w+)*(?: \))?$/;
    return _file(@tokens[1 .. $#tokens])    if /^require ./;
    return _lexical(@tokens[1 .. $#tokens]) if /^my (?:\( )?[\$\@%]\w+/;
    return _lexical(@tokens)                if /^([\$\@%]\w+) = / && exists $lexical{$1};
    return _element(@tokens[5 .. $#tokens]) if /^\$(\w+) ([\[\{]) (?:string|text|number) [\]\}] = ./ && exists $lexical{ ($2 eq '{' ? '%' : '@') . $1 };
    return _environment([$tokens[2]], @tokens[5 .. $#tokens]) if /^\$ENV \{ (?:string|text) \} = ./;
    return _environment([@tokens[3 .. $#tokens - 1]])         if /^delete [\$\@]ENV \{ .* \}$/;
    return _folders($1, @tokens[3 .. $#tokens])               if /^(push|unshift) \@INC , ./;
    return _folders($1, @tokens[4 .. $#tokens - 1])           if /^(push|unshift) \( \@INC , .* \)$/;
    shift @tokens if /^our /;
    return _global(@tokens) if /^(?:our )?[\$\@%][\w:]+ = /;
    return;
}

# The name that `require` is given.
sub _file {
    my @tokens = @_;
    my ($kind, $text) = @{ $tokens[0] };
    if (@tokens == 1) {
        return $PASS if $kind eq 'number' || $kind eq 'word' && $text =~ /^v\d+$/;
        return ['load', $text =~ s{::}{/}gr . '.pm'] if $kind eq 'word' && $text =~ /^[A-Za-z_]\w*(?:::\w+)*$/;
    }
    my $values = _values(@tokens) or return;
    return @$values == 1 && $values->[0] =~ /^[^\0\n]+$/ ? ['load', $values->[0]] : undef;
}

# Whatever a lexical variable becomes, no file can see it: what is there may be unknown, as long as nothing
# is called.
sub _lexical {
    my @tokens = @_;
    my @names;
    push @names, shift(@tokens)->[1] while @tokens && $tokens[0][1] ne '=';
    @names = grep { /^[\$\@%]/ } @names;
    @lexical{@names} = ();
    my $values = @tokens > 1 && _values(@tokens[1 .. $#tokens]);
    $lexical{ $names[0] } = $values->[0] if $values && @names == 1 && @$values == 1;
    return $values || !@tokens ? $PASS : _element(@tokens[1 .. $#tokens]);
}

# A value that is not known. It may come from lexical variables, the environment and the arguments: a
# package variable may be given its value by a file that is then loaded too early.
sub _element {
    my @tokens = @_;
    my $before = '';
    while (@tokens) {
        my ($kind, $text) = @{ shift @tokens };
        my $next = @tokens ? $tokens[0][1] : '';
        return unless $kind =~ /^(?:string|number|list)$/
            || $kind eq 'variable' && (_is_lexical($text, $next) || $text eq '$ENV' && _look_at(@tokens[0 .. 2]))
            || $kind eq 'text' && !grep({ !_is_lexical($_, '') } $text =~ /(?<!\\)([\$\@](?:\w+(?!::|->|[\[\{]))?)/g)
            || $kind eq 'operator' && $text =~ m{^(?:[\[\](){},.?:<>+*/!-]|=>|->|\|\||&&|//|[=!<>]=)$};
        return if $text eq '(' && $before =~ /^(?:->|[\]\}])$/;
        $before = $text;
    }
    return $PASS;
}

# Is a variable one that `my` has declared? What follows it tells an element from a scalar.
sub _is_lexical {
    my ($name, $next) = @_;
    my $sign = $name !~ /^\$\w/ ? substr($name, 0, 1) : $next eq '{' ? '%' : $next eq '[' ? '@' : '$';
    return $name =~ /^(?:\$\$|\$0|\@ARGV|\$ARGV)$/ || exists $lexical{ $name =~ s/^./$sign/r };
}

# Notes what an element of %ENV is; those of a request are watched in another way. The tokens are those
# behind $ENV.
sub _look_at {
    my ($open, $name) = @_;
    return if !$open || $open->[1] ne '{' || !$name || $name->[0] !~ /^(?:string|text)$/ || $name->[1] =~ /[\$\@\\]/;
    my $key = $name->[1];
    $looked_at{"ENV $key"} = [exists $ENV{$key} ? $ENV{$key} : ()] unless $key =~ $Proc::Prefork::Interp::Watch::REQUEST;
    return 1;
}

sub _global {
    my ($name, undef, @tokens) = ($_[0][1], @_[1 .. $#_]);
    return if $name =~ /^.(?:main::|::)?(?:ENV|INC|ARGV|SIG|_|\d+)$/;
    my $values = _values(@tokens) or return;
    return if $name =~ /^\$/ && @$values != 1;
    return ['assign', $name, @$values];
}

# Not a variable of a request, which the watch would notice.
sub _environment {
    my ($names, @tokens) = @_;
    my $values = @tokens ? _values(@tokens) : [];
    my $which  = _values(@$names);
    return if !$values || @tokens && @$values != 1 || !$which;
    return if grep { $_ eq '' || $_ =~ $Proc::Prefork::Interp::Watch::REQUEST } @$which;
    return @tokens ? ['assign', "ENV $which->[0]", @$values] : ['delete', map { "ENV $_" } @$which];
}

sub _folders {
    my ($how, @tokens) = @_;
    my $values = _values(@tokens) or return;
    return ['folders', $how, @$values];
}

# The values of an expression, as a reference to a list; nothing if they are not known.
sub _values {
    my @tokens = @_;
    my $values = _list(\@tokens);
    return @tokens ? undef : $values;
}

sub _list {
    my ($tokens) = @_;
    my @values;
    while (@$tokens && $tokens->[0][1] ne ')') {
        push @values, @{ _joined($tokens) // return };
        last unless @$tokens && $tokens->[0][0] eq 'operator' && $tokens->[0][1] =~ /^(?:,|=>)$/;
        shift @$tokens;
    }
    return \@values;
}

# Values with a dot between them.
sub _joined {
    my ($tokens) = @_;
    my $values = _value($tokens) // return;
    while (@$tokens && $tokens->[0][0] eq 'operator' && $tokens->[0][1] eq '.') {
        shift @$tokens;
        my $more = _value($tokens) // return;
        return if @$values != 1 || @$more != 1;
        $values = ["$values->[0]$more->[0]"];
    }
    return $values;
}

sub _value {
    my ($tokens) = @_;
    my ($kind, $text) = @{ shift @$tokens // return };
    if ($kind eq 'string' || $kind eq 'list') {
        return if $text =~ /[^\t\n -\[\]-~]/;    # a backslash, or what `use utf8` changes
        return $kind eq 'list' ? [split ' ', $text] : [$text];
    }
    return _replaced($text) if $kind eq 'text';
    return $text =~ /^(?:0|[1-9]\d*)(?:\.\d+)?$/ ? [$text + 0] : undef if $kind eq 'number';
    return _variable($text) if $kind eq 'variable';
    return [$0] if $kind eq 'word' && $text eq '__FILE__';
    my $call = $kind eq 'word' && $text eq 'dirname' && _is_dirname();
    ($kind, $text) = @{ shift @$tokens // return } if $call;
    return if $kind ne 'operator' || $text ne '(';
    my $values = _list($tokens) // return;
    return if !@$tokens || shift(@$tokens)->[1] ne ')';
    return $values unless $call;
    return @$values == 1 ? [File::Basename::dirname($values->[0])] : undef;
}

sub _is_dirname {
    return defined &main::dirname && defined &File::Basename::dirname && \&main::dirname == \&File::Basename::dirname;
}

# A variable of setup, such as $FindBin::Bin, has the value that the script will find.
sub _variable {
    my ($name) = @_;
    my $value = $lexical{$name};
    if (!exists $lexical{$name} && $name =~ /^\$(0|(?:\w+::)*[A-Za-z_]\w*)$/) {
        my $symbol = index($1, '::') < 0 ? "main::$1" : $1;
        BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
        $value = ${$symbol};
        $looked_at{$name} = [$value];
    }
    return defined $value && !ref $value ? ["$value"] : undef;
}

# A text in which nothing but variables is replaced.
sub _replaced {
    my ($text) = @_;
    return if $text =~ /[^\t\n -\[\]-~]/;
    my $result = '';
    for ($text) {
        while ((pos // 0) < length) {
            if    (/\G([^\$\@]+)/gc)                                    { $result .= $1 }
            elsif (/\G(?|\$\{(\w+)\}|\$((?:\w+::)*\w+))(?!::|->|[\[\{])/gc) { $result .= (_variable("\$$1") // return)->[0] }
            else                                                        { return }
        }
    }
    return [$result];
}

1;
