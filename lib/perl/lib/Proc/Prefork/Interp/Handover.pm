package Proc::Prefork::Interp::Handover;

# The handover: what a launcher gives the script in PREFORK_INTERP.
#
#   v1,1795242621.579386987 3,4,5,6 n1,automatic preload=CGI,JSON::PP
#      start                │ │ │ │    fork      settings
#                           │ │ │ WATCHE  point
#                           │ │ WATCHI
#                           │ CALL
#                           LISTEN
#
# It is taken when the library is loaded, and not at the fork point: from then on
# no program that setup runs inherits the variable or a descriptor.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

our $VARIABLE = 'PREFORK_INTERP';
our $extend;    # name of the socket where the script may ask for more time; undef without one

# take() removes the variable, and those that the launcher has set for the interpreter alone. It returns a reference to a hash: start (the text),
# began (when perl was started, in seconds), handles listen, call, watchi and watche, fork_point ("explicit" or "automatic"
# if the native dialect is offered), preload (a reference to an array), reuse (whether the
# administrator wants executors that serve several requests), early (see Early.pm), program and
# directory (the script, and where it was started), text (the handover). Returns nothing if the script
# runs standalone. Dies if the handover is not one.
sub take {
    my $value = delete $ENV{$VARIABLE};
    return unless defined $value;
    my ($version, $numbers, @offers) = split / /, $value;
    my ($name, $start) = split /,/, $version // '';
    die "$VARIABLE: \"$value\" is not a handover of version v1\n"
        unless ($name // '') eq 'v1' && ($start // '') =~ /^\d+\.\d{9}$/;
    my %handover = (
        text      => $value,
        start     => $start,
        began     => $^T,
        preload   => [],
        program   => $0,
        directory => scalar readlink('/proc/self/cwd'),
    );
    @handover{qw(listen call watchi watche)} = _handles($numbers // '');
    _read_offer(\%handover, $_) for @offers;
    return \%handover;
}

# Opens the four descriptors. Perl marks what it opens above 2 as close-on-exec only
# if $^F says so; a script that is run with another $^F must not leak these.
sub _handles {
    my ($numbers) = @_;
    my @numbers = (split /,/, $numbers)[0 .. 3];
    return map {
        my ($number) = ($_ // '') =~ /^(\d+)$/    # a match, which also clears taint
            or die "$VARIABLE: \"$numbers\" does not name four descriptors\n";
        my $handle;
        open $handle, '+<&=', $number
            or open $handle, '<&=', $number
            or open $handle, '>&=', $number
            or die "$VARIABLE: descriptor $number: $!\n";
        binmode $handle;
        fcntl $handle, 2, 1;                      # F_SETFD, FD_CLOEXEC
        $handle;
    } @numbers;
}

sub _read_offer {
    my ($handover, $offer) = @_;
    my ($name, $value) = split /=/, $offer, 2;
    if (defined $value) {
        $handover->{preload} = [ split /,/, $value ] if $name eq 'preload';
        ($extend) = $value =~ /^([\w-]+)$/          if $name eq 'extend';    # clears taint, too
        $handover->{early}   = $value                if $name eq 'early';
        $handover->{reuse}   = $value eq 'on'        if $name eq 'reuse';
        delete @ENV{ split /,/, $value }             if $name eq 'hide';
        return;
    }
    my ($dialect, $fork_point) = split /,/, $offer;
    $handover->{fork_point} = $fork_point // 'explicit' if ($dialect // '') eq 'n1';
    return;
}

# hide($lib) takes the folder that the launcher has added with -I out of @INC. A
# folder that the library was installed in stays: it holds other things, too, or
# the administrator has named it.
sub hide {
    my ($lib) = @_;
    return if grep { $_ eq $lib } split /:/, $ENV{PERL5LIB} // '';
    opendir my $folder, $lib or return;
    return if grep { !/^(?:\.\.?|Proc)$/ } readdir $folder;
    @INC = grep { ref || $_ ne $lib } @INC;
    return;
}

1;
