package Proc::Prefork::Interp::Watch;

# Looks over setup's shoulder: an automatic fork point is wrong for a script that
# looks at the request before it. %ENV itself is tied, and not replaced, so that
# a reference to it that a module keeps stays one to the real %ENV. What is
# written goes to the environment that programs inherit as always: an element of
# %ENV keeps perl's own magic beside ours.
#
#   tie ──▶ setup reads, writes ──▶ untie; what setup has written is written again
#
# See docs/protocol.md, "The automatic fork point".

use 5.020;    # brings strict, and loads no file that the script would see in %INC

# The variables that belong to a request. SERVER_SOFTWARE is the same in all.
our $REQUEST = qr/^(?: QUERY_STRING | REQUEST_(?:METHOD|URI|SCHEME) | PATH_(?:INFO|TRANSLATED)
    | SCRIPT_(?:NAME|FILENAME) | CONTENT_(?:LENGTH|TYPE) | AUTH_TYPE | HTTPS | DOCUMENT_ROOT
    | (?:HTTP_|REMOTE_|SERVER_(?!SOFTWARE$)) .* )$/xs;

# start() begins to watch. Returns the watch.
sub start {
    return tie %ENV, __PACKAGE__;
}

# end($watch) leaves %ENV as if it had never been watched. Returns why the script must
# be cold, or nothing.
sub end {
    my ($watch) = @_;
    my $values = $watch->{values};
    my $reason = reason($watch);
    $watch->{over} = 1;
    local $^W = 0;    # under -w perl would report the references to us that are still there
    untie %ENV;
    for my $name (grep { !exists $values->{$_} } keys %ENV) {
        delete $ENV{$name};
    }
    for my $name (keys %$values) {
        $ENV{$name} = $values->{$name}
            if !exists $ENV{$name} || $ENV{$name} ne $values->{$name};
    }
    return $reason;
}

# reason($watch) returns what end would, up to now.
sub reason {
    my ($watch) = @_;
    return $watch->{reason} // ($watch->{kept} ? 'setup keeps the value of DOCUMENT_ROOT' : undef);
}

# Remembers the first reason only: the others follow from it, or are next.
sub _note {
    my ($watch, $deed) = @_;
    return if $watch->{reason} || $watch->{over};
    my ($file, $line) = (caller 1)[1, 2];
    $watch->{reason} = "setup $deed at $file:$line";
    return;
}

# A reference to an element that was taken while it was watched still comes here
# afterwards: then it means the real %ENV.
sub _values {
    my ($watch) = @_;
    return $watch->{over} ? \%ENV : $watch->{values};
}

sub TIEHASH {
    my ($class) = @_;
    return bless { values => {%ENV} }, $class;
}

sub FETCH {
    my ($watch, $name) = @_;
    return Proc::Prefork::Interp::Watch::Default::new($watch, $name)
        if $name eq 'DOCUMENT_ROOT' && !$watch->{over};
    _note($watch, "reads $name") if $name =~ $REQUEST;
    return _values($watch)->{$name};
}

sub EXISTS {
    my ($watch, $name) = @_;
    _note($watch, "asks for $name") if $name =~ $REQUEST;
    return exists _values($watch)->{$name};
}

sub STORE {
    my ($watch, $name, $value) = @_;
    _note($watch, "writes $name") if $name =~ $REQUEST;
    _values($watch)->{$name} = defined $value ? "$value" : '';
    return;
}

sub DELETE {
    my ($watch, $name) = @_;
    _note($watch, "deletes $name") if $name =~ $REQUEST;
    return delete _values($watch)->{$name};
}

sub CLEAR {
    my ($watch) = @_;
    _note($watch, 'clears the environment');
    %{ _values($watch) } = ();
    return;
}

sub FIRSTKEY {
    my ($watch) = @_;
    _note($watch, 'lists the environment');
    my $values = _values($watch);
    keys %$values;    # begins anew
    return each %$values;
}

sub NEXTKEY {
    my ($watch) = @_;
    return each %{ _values($watch) };
}

sub SCALAR {
    my ($watch) = @_;
    return scalar %{ _values($watch) };
}

package Proc::Prefork::Interp::Watch::Default;

# The value of DOCUMENT_ROOT. Each request has one, and it is often read as the default of something that
# the script gives itself: HTML::Mason does so. That does no harm if nobody uses the value, so it
# is an object that tells when it is used, and when it is there no more.

# new($watch, $name) returns the value of that variable.
sub new {
    my ($watch, $name) = @_;
    $watch->{kept}++;
    return bless { watch => $watch, name => $name };
}

sub _used {
    my ($value) = @_;
    Proc::Prefork::Interp::Watch::_note($value->{watch}, "reads $value->{name}");
    return '';
}

sub DESTROY {
    my ($value) = @_;
    $value->{watch}{kept}--;
    return;
}

# What overload.pm would do: all operations need the text of it.
BEGIN {
    BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
    *{ __PACKAGE__ . '::((' } = *{ __PACKAGE__ . '::()' } = sub { };
    ${ __PACKAGE__ . '::()' } = 1;
    *{ __PACKAGE__ . '::(""' } = \&_used;
}

1;
