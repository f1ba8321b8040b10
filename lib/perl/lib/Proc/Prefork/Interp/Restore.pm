package Proc::Prefork::Interp::Restore;

# What a script that is run again finds: the variables of its packages, perl's own, and its handles, as they were at
# the fork point.
#
#   fork point   note
#   a request    clear ─▶ the script is compiled, its BEGIN blocks run ─▶ after_compilation
#
# A copy is shallow: what is in a structure that setup has made, and the request has changed, stays changed.
#
# BEGIN blocks run again with each compilation. What is plain data is then put back once more, so
# that what they count or push is there once; what holds references is left as they have made it.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

my @noted;      # [package, its table, name => what note has found, whether all its names are the script's]
my %others;     # names of tables, at the fork point, that are not the script's
my @plain;      # [table, name, what note has found]: what BEGIN blocks may change and is put back after them
my %special;    # perl's own variables
my $selected;   # the handle that is selected
my @layers;     # of each of STDIN, STDOUT and STDERR
my @formats;    # what belongs to each of them

# Names that are not the script's, but perl's.
my %PERLS = map { $_ => 1 } qw(ENV INC SIG STDIN STDOUT STDERR stdin stdout stderr ARGV ARGVOUT _);

# why_not(@packages) returns why these cannot be put back, or nothing.
sub why_not {
    BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
    for my $handle (*STDIN, *STDOUT, *STDERR) {
        return 'a standard handle is closed or tied' if tied *$handle || !defined fileno $handle;
    }
    for my $package (@_) {
        for my $name (_names(\%{"${package}::"})) {
            next if $name eq 'DATA';
            my $glob = \${"${package}::"}{$name};
            return "setup has opened $name" if ref $glob eq 'GLOB' && *$glob{IO} && defined eval { fileno *$glob{IO} };
        }
    }
    return;
}

# data(@packages) returns the open handle called DATA: its glob, its place in the file, its layers.
sub data {
    BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
    return map {
        my $table = \%{"${_}::"};
        my $glob  = \$table->{DATA};
        exists $table->{DATA} && ref $glob eq 'GLOB' && *$glob{IO} && defined fileno *$glob{IO}
            ? [$glob, tell *$glob{IO}, join '', map { ":$_" } grep { !/^(?:unix|perlio|stdio)$/ } PerlIO::get_layers(*$glob)]
            : ();
    } @_;
}

# open_data($data, $path) opens it anew. Returns false if that cannot be.
sub open_data {
    my ($data, $path) = @_;
    return 1 unless $data;
    my ($glob, $offset, $layers) = @$data;
    close *$glob;    # which also begins to count lines at 0
    open *$glob, '<', $path or return '';
    binmode *$glob;
    seek *$glob, $offset, 0 or return '';
    return !$layers || binmode *$glob, $layers;
}

# note($packages, $names) looks at all that is put back later: these packages, and of others these names, such as
# { CGI => ['POST_MAX'] }.
sub note {
    my ($packages, $names) = @_;
    BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
    @noted   = map { my $table = \%{"${_}::"}; [$_, $table, _look($table, _names($table)), 1] } @$packages;
    push @noted, map { my $table = \%{"${_}::"}; [$_, $table, _look($table, @{ $names->{$_} }), ''] } sort keys %$names;
    for my $package (@noted) {
        my (undef, $table, $known, $whole) = @$package;
        push @plain, map { [$table, $_, $known->{$_}] } grep { $known->{$_}{plain} } keys %$known;
        if ($whole) {
            my %script = map { $_ => 1 } _names($table);
            $others{$_} = 1 for grep { !$script{$_} } keys %$table;
        }
    }
    %special = _special();
    $selected = select;
    @layers   = (_layers(*STDIN), _layers(*STDOUT, 1), _layers(*STDERR, 1));
    @formats  = map { [_format($_)] } *STDIN, *STDOUT, *STDERR;
    return;
}

# Names of a package that can be the script's.
sub _names {
    my ($table) = @_;
    return grep { !$others{$_} && /^[A-Za-z_]\w*\z/ && !$PERLS{$_} } keys %$table;
}

# What is in each: references to the scalar, the array and the hash, copies of them, whether there is code, and what the
# glob calls itself. What is tied or read-only stays as it is.
sub _look {
    my ($table, @names) = @_;
    my %found;
    for my $name (grep { exists $table->{$_} } @names) {
        my $glob = \$table->{$name};
        if (ref $glob ne 'GLOB') {    # a constant, or a sub that is no more than declared
            $found{$name} = {};
            next;
        }
        my ($scalar, $array, $hash) = (*$glob{SCALAR}, *$glob{ARRAY}, *$glob{HASH});
        my %known  = (code => defined *$glob{CODE}, glob => "*$glob");
        @known{qw(scalar value)} = ($scalar, $$scalar) unless tied $$scalar || Internals::SvREADONLY($$scalar);
        @known{qw(array list)}   = ($array, [@$array]) if $array && !tied @$array && !Internals::SvREADONLY(@$array);
        @known{qw(hash pairs)}   = ($hash, {%$hash})   if $hash && !tied %$hash && !Internals::SvREADONLY(%$hash);
        $known{fixed}            = { map { $_ => 1 } $array && !$known{array} ? 'array' : (), $hash && !$known{hash} ? 'hash' : () };
        $known{plain} = !grep { ref || ref \$_ eq 'GLOB' } map { ($_->{value}, @{ $_->{list} || [] }, values %{ $_->{pairs} || {} }) } \%known;
        $found{$name} = \%known;
    }
    return \%found;
}

# clear() puts back all variables, takes away names that the request has added, and closes what it has
# opened.
sub clear {
    my %standard = map { *$_{IO} + 0 => 1 } *STDIN, *STDOUT, *STDERR;
    for my $package (@noted) {
        my ($package_name, $table, $known, $whole) = @$package;
        for my $name ($whole ? _names($table) : keys %$known) {
            my ($glob, $had) = (\$table->{$name}, $known->{$name});
            if (!$had) {
                _close(*$glob{IO}) if ref $glob eq 'GLOB' && *$glob{IO} && !$standard{ *$glob{IO} + 0 };
                delete $table->{$name};
                next;
            }
            next if ref $glob ne 'GLOB';
            if ($whole) {
                _close(*$glob{IO}) if *$glob{IO} && $name ne 'DATA' && !$standard{ *$glob{IO} + 0 };
                $glob = _renew($package_name, $table, $name, $had)
                    if $had->{glob} && ("*$glob" ne $had->{glob} || !$had->{code} && defined *$glob{CODE});
            }
            _put_back($glob, $had);
        }
    }
    _set_special();
    undef $_;
    return;
}

# after_compilation() puts back what is plain, after BEGIN blocks have run again, and what belongs to the standard
# handles. Returns false if that cannot be.
sub after_compilation {
    for (@plain) {
        my ($table, $name, $had) = @$_;
        next if !exists $table->{$name};
        my $glob = \$table->{$name};
        _put_back($glob, $had) if ref $glob eq 'GLOB';
    }
    _set_special();
    return _set_handles();
}

# clear_input() makes STDIN and ARGV handles that nobody has read from. Descriptor 0 is on /dev/null.
sub clear_input {
    @ARGV = ();
    undef $ARGV;
    if (defined fileno ARGV) {    # `<>` was left before its end; where it is at its end it begins anew
        close ARGV;
        my $end = readline ARGV;
    }
    Proc::Prefork::Interp::Descriptors::forget_end();
    return;
}

# forget_lines() makes `$.` what it is where nothing has been read.
sub forget_lines {
    my $place = tell STDIN;    # so it is that of STDIN
    $. = 0;
    my $nobody = \do { local *NOBODY };
    $place = tell $nobody;     # and then that of a handle that is no more
    undef $nobody;
    undef $.;
    return;
}

sub _close {
    my ($handle) = @_;
    local $^W = 0;
    close $handle;
    closedir $handle;
    return;
}

# A name has got code, or was made another name for something. Only the whole name can be taken away; its
# variables come back. Returns the new glob.
sub _renew {
    my ($package, $table, $name, $had) = @_;
    BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
    delete $table->{$name};
    *{"${package}::$name"} = $_ for grep { $_ } @$had{qw(scalar array hash)};
    return \*{"${package}::$name"};
}

# Puts back one name. What is the same is not touched: that would cost memory, and methods would be
# looked for anew where @ISA is set.
sub _put_back {
    my ($glob, $had) = @_;
    if (my $scalar = $had->{scalar}) {
        *$glob = $scalar if *$glob{SCALAR} != $scalar;
        untie $$scalar   if tied $$scalar;
        $$scalar = $had->{value} unless _same($$scalar, $had->{value});
    }
    if (my $array = !$had->{fixed}{array} && *$glob{ARRAY}) {
        *$glob = $array = $had->{array} if $had->{array} && $had->{array} != $array;
        untie @$array                   if tied @$array;
        my $list = $had->{list} || [];
        @$array = @$list if @$array != @$list || grep { !_same($array->[$_], $list->[$_]) } 0 .. $#$list;
    }
    if (my $hash = !$had->{fixed}{hash} && *$glob{HASH}) {
        *$glob = $hash = $had->{hash} if $had->{hash} && $had->{hash} != $hash;
        untie %$hash                  if tied %$hash;
        my $pairs = $had->{pairs} || {};
        %$hash = %$pairs
            if keys %$hash != keys %$pairs || grep { !exists $hash->{$_} || !_same($hash->{$_}, $pairs->{$_}) } keys %$pairs;
    }
    return;
}

# Are two values the same text, or both undefined? References are simply set again.
sub _same {
    return !defined $_[0] && !defined $_[1] unless defined $_[0] && defined $_[1];
    return !ref $_[0] && !ref $_[1] && ref \$_[0] ne 'GLOB' && ref \$_[1] ne 'GLOB' && $_[0] eq $_[1];
}

# Perl's own variables. Those of a handle are in _format.
sub _special {
    return (
        ','  => $,,  '/' => $/, '\\' => $\, ';' => $;, '"' => $", '0' => $0, ':' => $:, '^L' => $^L,
        '^F' => $^F, '^W' => $^W, INC => [@INC],
    );
}

sub _set_special {
    ($,, $/, $\, $;, $", $:, $^L, $^F, $^W) = @special{ ',', '/', '\\', ';', '"', ':', '^L', '^F', '^W' };
    $0    = $special{0} if $0 ne $special{0};
    @INC  = @{ $special{INC} };
    ($@, $^A) = ('', '');
    return;
}

# Of a handle for output: $| $~ $^ $= $- $%.
sub _format {
    my ($handle) = @_;
    my $had = select $handle;
    my @format = ($|, $~, $^, $=, $-, $%);
    select $had;
    return @format;
}

# Puts back the layers of the standard handles and what belongs to each. Returns false if that cannot be.
sub _set_handles {
    my @handles = (*STDIN, *STDOUT, *STDERR);
    for my $i (1, 2) {
        next if "@{[ _format($handles[$i]) ]}" eq "@{ $formats[$i] }";
        select $handles[$i];
        my ($flush, $format, $top, @page) = @{ $formats[$i] };
        $| = $flush;
        $~ = $format if $~ ne $format;
        $^ = $top    if $^ ne $top;
        ($=, $-, $%) = @page;
    }
    select $selected;
    for my $i (0 .. 2) {
        next if _layers($handles[$i], $i) eq $layers[$i];
        binmode $handles[$i];
        my ($above) = $layers[$i] =~ /^(?::(?:unix|perlio|stdio))*(.*)$/;
        binmode $handles[$i], $above if $above ne '';
        return '' if _layers($handles[$i], $i) ne $layers[$i];
    }
    return 1;
}

sub _layers {
    my ($handle, $output) = @_;
    return join '', map { ":$_" } PerlIO::get_layers($handle, $output ? (output => 1) : ());
}

1;
