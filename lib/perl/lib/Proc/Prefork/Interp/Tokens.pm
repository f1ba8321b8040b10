package Proc::Prefork::Interp::Tokens;

# Perl text cut into tokens, as far as that can be done without perl. What a
# character means in Perl depends on whether a value or an operator can stand there:
# / divides or begins a pattern, { an index or a block. Where that cannot be told
# the text has no more tokens: it is in doubt, and nothing follows from it.
#
#   kind       text                  kind       text
#   word       if, require, Foo::x   string     what is between the quotes
#   variable   $x, @x, $#x, %x       text       the same, where variables are replaced
#   call       &x                    list       what is between the brackets of qw
#   sub        name, or empty        pattern    m, qr, s, tr, y: all that is between
#   number     1.5                   asks       <X>, `x`, qx, -e: asks the system
#   cast       $ @ % & * $# before a value or a block, whose brace is not told
#   here       the mark of a here-document; its text comes later, if variables are replaced there
#   operator   anything else: ; { } ( ) -> =>
#   end        __END__, or where the text ends
#   doubt      why there are no more tokens

use 5.020;    # brings strict, and loads no file that the script would see in %INC

# Words behind which a value begins, so that / and < are no operators there.
my %before_value = map { $_ => 1 } qw(
    if unless while until and or not xor x lt gt le ge eq ne cmp return print printf say push
    unshift split grep map join sort keys values each defined ref scalar lc uc lcfirst ucfirst
    elsif foreach for when die warn reverse length exists delete undef do eval else chomp chop sprintf
);

# What quote-like words stand for.
my %quote = (q => 'string', qq => 'text', qw => 'list', qx => 'asks', m => 'pattern',
    qr => 'pattern', s => 'pattern', tr => 'pattern', y => 'pattern');

# Brackets that end with another character, and count where they stand in each other.
my %bracketed = (
    '(' => qr/\G( \( (?: [^()\\]++   | \\. | (?1) )*+ \) )/xs,
    '[' => qr/\G( \[ (?: [^\[\]\\]++ | \\. | (?1) )*+ \] )/xs,
    '{' => qr/\G( \{ (?: [^{}\\]++   | \\. | (?1) )*+ \} )/xs,
    '<' => qr/\G( <  (?: [^<>\\]++   | \\. | (?1) )*+ >  )/xs,
);

my $NAME     = qr/(?:::)?[A-Za-z_]\w*(?:(?:::|'(?=[A-Za-z_]))\w+)*(?:::)?/;
my $OPERATOR = qr{\G(?: => | -> | \+\+ | -- | \*\*=? | \|\|=? | &&=? | //=? | \.{1,3} | <=> | <<=? | >>=?
    | [=!]~ | [=!<>]= | [-+*/%.&|^x]= | [-+*/%.&|^=!~\\<>?:,;()\[\]{}] )}x;

# What cannot be misunderstood, up to a semicolon or a brace: a faster way through the bodies of subs.
my $CLEAR = qr/\G(?: [^\S\n]++ (?:\#.*)? | \n(?!=) | \$\#?\$*+\w++ | \$[!\@] | [\@%]\w++ | \\(?=[\$\@%&])
    | [-,=.+()!:|\[\]?>&*%~^]++ | <=>? | <(?=\s) | \d++ | "(?:[^"\\]++|\\.)*+" | '(?:[^'\\]++|\\.)*+'
    | (?<=[\w\]\}>]) \{ \s* (?: -?\w++ | \$\w++ | "[^"\\]*+" | '[^'\\]*+' ) \s* \}
    | (?! (?:q[qwxr]?|m|s|tr|y|sub|format|__END__|__DATA__) \b ) [A-Za-z_]\w*+ (?!') )*+ ( [;\{\}] )/xs;

# new($text) returns a reference to a hash: depth is how many braces are open. The rest is for
# the functions here. value says whether an operator comes next: 1; a value: 0; not known: 2.
sub new {
    my ($text) = @_;
    return { text => "\n$text", depth => 0, value => 0, last => ';', open => [], here => [], ready => [] };
}

# next($tokens) returns kind and text of the next token; at the end, and in doubt, again and again.
sub next {
    my ($tokens) = @_;
    return @{ $tokens->{stop} } if $tokens->{stop};
    for ($tokens->{text}) {
        my $more = _skip_blank($tokens);
        return 'text', shift @{ $tokens->{ready} } if @{ $tokens->{ready} };
        my ($kind, $text, $value) = $more ? _token($tokens) : ('end', '');
        $kind //= 'doubt';
        if ($kind eq 'end' || $kind eq 'doubt') {
            $kind = 'doubt' if $tokens->{depth} || @{ $tokens->{here} };
            return @{ $tokens->{stop} = [$kind, $text // ''] };
        }
        $tokens->{before} = $tokens->{last};
        @$tokens{qw(last value)} = ($kind eq 'operator' || $kind eq 'word' ? $text : $kind, $value);
        return $kind, $text;
    }
}

# line($tokens) returns the number of the line where the next token is searched for.
sub line {
    my ($tokens) = @_;
    return substr($tokens->{text}, 0, pos $tokens->{text}) =~ tr/\n//;
}

# skip_block($tokens) passes what belongs to a sub: up to its block's end, or to a semicolon where it
# has none. Returns false in doubt.
sub skip_block {
    my ($tokens) = @_;
    my $depth = $tokens->{depth};
    while (1) {
        my ($kind, $text) = _clear($tokens);
        ($kind, $text) = Proc::Prefork::Interp::Tokens::next($tokens) unless defined $kind;
        return if $kind eq 'end' || $kind eq 'doubt';
        return 1 if $tokens->{depth} == $depth && $kind eq 'operator' && $text =~ /^[;}]$/;
    }
}

# The next semicolon or brace, if nothing before it can be in doubt.
sub _clear {
    my ($tokens) = @_;
    return if $tokens->{last} !~ /^[;{}]$/ || @{ $tokens->{here} };
    return unless $tokens->{text} =~ /$CLEAR/gco;
    my $text = $1;
    $tokens->{value} = 0;
    if ($text eq '{') {
        push @{ $tokens->{open} }, 'block';
        $tokens->{depth}++;
    }
    elsif ($text eq '}') {
        return 'doubt', 'a brace that nothing opens' unless $tokens->{depth}--;
        $tokens->{value} = pop @{ $tokens->{open} } eq 'block' ? 2 : 1;
    }
    $tokens->{last} = $text;
    return 'operator', $text;
}

# All functions below look at $_, which is the text, from its pos.

# Blanks, comments, documentation, and the texts of here-documents. False at the end, and in doubt.
sub _skip_blank {
    my ($tokens) = @_;
    pos = 0 unless defined pos;
    while (1) {
        /\G(?:[^\S\n]+|#.*)+/gc;
        last unless /\G\n/gc;
        while (my $here = shift @{ $tokens->{here} }) {
            my ($end, $replaces) = @$here;
            /\G((?:.*\n)*?)$end(?:\n|\z)/gc or return _stop($tokens, 'a here-document has no end');
            push @{ $tokens->{ready} }, $1 if $replaces;
        }
        next unless /\G=[A-Za-z]/;
        return _stop($tokens, 'a line begins with =') if $tokens->{last} !~ /^[;{}]$/;
        /\G.*?^=cut\b[^\n]*/msgc or pos = length;
    }
    return pos() < length;
}

sub _stop {
    my ($tokens, $why) = @_;
    $tokens->{stop} = ['doubt', $why];
    return;
}

# Returns kind, text, and what value is to be; or kind "end" or "doubt", and why.
sub _token {
    my ($tokens) = @_;
    my $value = $tokens->{value};
    return _word($tokens, $1) if /\G($NAME)/gco;
    return _variable($tokens) if /\G\$/ || $value != 1 && /\G[\@%&*](?=[\w\$\{:^+!-])/;
    return 'number', $1, 1
        if /\G(0[xXbB][\da-fA-F_]+|\d[\d_]*(?:\.(?!\.)[\d_]*)*(?:[eE][+-]?\d+)?)/gc;
    return _quoted($tokens, 'string') if /\G'/;
    return _quoted($tokens, 'text')   if /\G"/;
    return _quoted($tokens, 'asks')   if /\G`/;
    if ($value != 1) {
        return 'string', $1, 1 if /\G(-[A-Za-z]\w*)(?=\s*(?:=>|\}))/gc;
        return 'asks', $1, 0 if /\G(-[A-Za-z])\b/gc;
        return _here($tokens) if /\G<<[~"'A-Za-z_]/;
        return 'asks', $1, 1 if !$value && /\G(<[^<>=\n]*>)/gc;
        return _quoted($tokens, 'pattern') if !$value && m{\G/};
        return 'doubt', 'an operator or a value' if m{\G(?:/(?!/)|<[\w\$:]*>)} || !$value && /\G\?/;
    }
    return 'doubt', 'no known character' unless /$OPERATOR/gco;
    return _operator($tokens, substr $_, $-[0], $+[0] - $-[0]);
}

sub _operator {
    my ($tokens, $text) = @_;
    my ($value, $last, $open) = @$tokens{qw(value last open)};
    if ($text eq '{') {
        push @$open, $value == 1 && $last ne ')' ? 'index' : 'block';
        $tokens->{depth}++;
    }
    elsif ($text eq '}') {
        return 'doubt', 'a brace that nothing opens' unless $tokens->{depth};
        $tokens->{depth}--;
        return 'operator', $text, pop @$open eq 'block' ? 2 : 1;
    }
    elsif ($text eq '->') {
        return 'operator', $text, 1 if /\G\s*(?:\$#|[\$\@%&*])\*/gc;
        return 'operator', $text, /\G\s*[\[\{(]/ ? 1 : 0;
    }
    return 'operator', $text, $text =~ /^[)\]]$/ || $value && $text =~ /^(?:\+\+|--)$/ ? 1 : 0;
}

# $x ${x} $$x ${…} $#x $!, and the same for @ % & *, where a value is expected.
sub _variable {
    my ($tokens) = @_;
    return 'variable', "$1$2", 1 if /\G(\$#?|[\@%*])(\^\w|$NAME|\d+)/gc;
    return 'variable', "$1$2", 1 if /\G(\$#?|[\@%])\{(\^?\w+)\}/gc;
    return 'call',     "&$1",  1 if /\G&\s*($NAME)/gc;
    return 'variable', '$$',   1 if /\G\$\$(?![\w\{:\$])/gc;
    if (/\G(?:\$#|[\$\@%&*])(?=[\{\$])/gc) {
        my $cast = substr $_, $-[0], $+[0] - $-[0];
        return 'cast', $cast, 0 unless /\G\{/gc;
        push @{ $tokens->{open} }, 'index';
        $tokens->{depth}++;
        return 'cast', $cast, 0;
    }
    return 'variable', $1, 1 if /\G(\$[^\w\s#\{]|[\@%*][+!-])/gc;
    return 'doubt', 'no known variable';
}

sub _word {
    my ($tokens, $word) = @_;
    my ($last, $before) = @$tokens{qw(last before)};
    return 'string', $word, 1 if /\G(?=\s*=>)/ || $last eq '{' && $tokens->{open}[-1] eq 'index' && /\G(?=\s*\})/;
    return 'word',   $word, 1 if $last eq '->';
    return 'doubt', "a name with '" if index($word, "'") >= 0;
    return 'end', $word if $word eq '__END__' || $word eq '__DATA__';
    return 'doubt', 'a format' if $word eq 'format' && $last =~ /^[;\}]$/;
    return _sub($tokens) if $word eq 'sub';
    return _quoted($tokens, $quote{$word}, $word) if $quote{$word};
    return 'word', $word, 0 if $before_value{$word} || $last =~ /^(?:print|printf|say)$/;
    return 'word', $word, 2;
}

# What stands before the block: the name, a prototype, attributes.
sub _sub {
    my ($tokens) = @_;
    my $name = /\G\s+($NAME)/gc ? $1 : '';
    _skip_blank($tokens);
    _skip_blank($tokens) if /$bracketed{'('}/gc;
    /\G(?::\s*\w+\s*)+/gc;
    return 'doubt', 'a sub without a block' unless /\G[\{;]/;
    return 'sub', $name, 0;
}

# From the delimiter on; $word is what stands before it, if anything does.
sub _quoted {
    my ($tokens, $kind, $word) = @_;
    my $from = pos;
    return 'doubt', 'no known quote' if /\G\s+[#\w]/;
    /\G\s+/gc;
    my $text = _delimited() // return 'doubt', 'a quote has no end';
    $kind = 'string' if $kind eq 'text' && substr($_, $from, pos() - $from) =~ /^\s*'/;
    if (($word // '') =~ /^(?:s|tr|y)$/) {
        my $second = _delimited($text) // return 'doubt', 'a quote has no end';
        return 'asks', 'code in a pattern', 1 if /\G([a-z]+)/gc && $1 =~ /e/;
        $text = "$text$second";
    }
    elsif ($kind eq 'pattern') {
        /\G[a-z]+/gc;
    }
    return 'doubt', 'a quote goes on behind a here-document'
        if @{ $tokens->{here} } && substr($_, $from, pos() - $from) =~ /\n/;
    return $kind, substr($text, 1, -1), 1;
}

# One delimited text, with its delimiters. The second of s and tr shares the delimiter with the first,
# unless that is a bracket.
sub _delimited {
    my ($first) = @_;
    if (defined $first) {
        my $delimiter = substr $first, -1;
        if ($delimiter =~ /[)\]\}>]/) { /\G\s+/gc }
        else                          { pos = pos() - 1 }
    }
    my $delimiter = substr $_, pos, 1;
    if (my $pattern = $bracketed{$delimiter}) {
        return /$pattern/gc ? $1 : undef;
    }
    return if $delimiter =~ /^[\w\s]?$/;
    return /\G(\Q$delimiter\E(?:[^\\\Q$delimiter\E]++|\\.)*+\Q$delimiter\E)/gcs ? $1 : undef;
}

# The mark of a here-document, whose text comes with the next line.
sub _here {
    my ($tokens) = @_;
    /\G<<(~?)(?:"([^"\n]*)"|'([^'\n]*)'|([A-Za-z_]\w*))/gc or return 'doubt', 'no known here-document';
    my ($indented, $end) = ($1, $2 // $3 // $4);
    return 'doubt', 'a here-document or a shift' if $tokens->{value} == 2;
    my $mark = quotemeta $end;
    push @{ $tokens->{here} }, [$indented ? qr/[ \t]*$mark/ : qr/$mark/, !defined $3];
    return 'here', $end, 1;
}

1;
