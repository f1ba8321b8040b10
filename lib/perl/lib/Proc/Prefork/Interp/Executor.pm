package Proc::Prefork::Interp::Executor;

# The fork point, for both dialects: what is done once before the first fork, and
# what makes a freshly forked process the executor of a call.
#
#   finish_setup   preload, before_fork                 in setup
#   prepare        signals and descriptors are noted    in the server, once
#   detach         its own descriptors and files        in each executor, at fork
#   receive        its request, native                  in each executor, parked
#   take           its request; after_fork              in each executor, before the script
#
# See docs/protocol.md, "What an executor does, in this order".

use 5.020;    # brings strict, and loads no file that the script would see in %INC

# finish_setup($handover) loads the modules that the launcher names, and calls the
# functions registered with before_fork. Returns a list of notes: what could not be loaded.
sub finish_setup {
    my ($handover) = @_;
    my @notes;
    for my $module (@{ $handover->{preload} }) {
        my $reason = _preload($module);
        push @notes, "cannot preload $module: $reason" if defined $reason;
    }
    $_->() for @Proc::Prefork::Interp::before_fork;
    return @notes;
}

# Returns why a module cannot be loaded, in one line.
sub _preload {
    my ($module) = @_;
    my ($name) = $module =~ /^([A-Za-z_]\w*(?:::\w+)*)$/ or return 'it is not the name of a module';
    my $file = $name =~ s{::}{/}gr . '.pm';
    local ($@, $_, $SIG{__DIE__});
    return if eval { require $file; 1 };
    my ($reason) = split /\n/, $@;
    return $reason // 'unknown';
}

# prepare(@own) notes what the executors get back; @own are numbers that are the
# library's. Returns a reference to a hash that the other functions take.
sub prepare {
    my (@own) = @_;
    _mark_database_handles() if $INC{'DBI.pm'};
    return {
        signals     => Proc::Prefork::Interp::Signals::set_aside(),
        descriptors => Proc::Prefork::Interp::Descriptors::survey(@own),
    };
}

# A database connection of setup is shared by all executors. The first that ends must not
# say goodbye on it for all; DBI compares the process with that which has connected.
sub _mark_database_handles {
    my %drivers = DBI->installed_drivers;
    my @handles = grep { defined } values %drivers;
    while (my $handle = shift @handles) {
        push @handles, grep { defined } @{ $handle->{ChildHandles} || [] };
        $handle->{AutoInactiveDestroy} = 1 if ($handle->{Type} // '') ne 'dr';
    }
    return;
}

# detach($prepared, @numbers) makes three received descriptors 0, 1 and 2, closes them, and
# separates this process from its siblings: offsets of files, random numbers.
sub detach {
    my ($prepared, @numbers) = @_;
    eval { Proc::Prefork::Interp::Descriptors::give($prepared->{descriptors}, @numbers); 1 }
        or refuse($@);
    Proc::Prefork::Interp::Syscall::release(@numbers);
    Proc::Prefork::Interp::Descriptors::separate($prepared->{descriptors});
    srand;
    return;
}

# refuse($text) ends a process that cannot become an executor, with status 127.
sub refuse {
    my ($text) = @_;
    complain("Proc::Prefork::Interp: $text");
    Proc::Prefork::Interp::Syscall::leave(127);
}

# complain($text) writes to descriptor 2, past whatever the script has made of STDERR.
sub complain {
    my ($text) = @_;
    open my $log, '>&', 2 or return;
    binmode $log;
    local $SIG{PIPE} = 'IGNORE';
    syswrite $log, $text;
    return;
}

# receive($call, $prepared, $count, @begun) waits for the byte that says "go on", which comes with so many
# descriptors (stdin, or all three), and for the request. Returns the environment and the arguments, as
# Wire has them; nothing if the launcher has gone. @begun, if given, is what has been gathered already.
sub receive {
    my ($call, $prepared, $count, @begun) = @_;
    my ($data, @numbers) = @begun ? @begun : Proc::Prefork::Interp::Syscall::gather($call) or return;
    $data .= substr $^X, 0, 0 if ${^TAINT};    # what sysread reads is tainted under -T, and so is this
    my @request;
    local $@;
    eval {
        die "the launcher does not say \"go on\"\n" if ord $data;
        die 'the launcher says "go on" with ', @numbers + 0, " descriptors, and not $count\n"
            if @numbers != $count;
        Proc::Prefork::Interp::Descriptors::give($prepared->{descriptors}, @numbers);
        Proc::Prefork::Interp::Syscall::release(@numbers);
        @request = Proc::Prefork::Interp::Wire::receive_request($call, substr $data, 1);
        1;
    } or refuse($@);
    return @request;
}

# take($prepared, $environment, $arguments, $changes) gives the script its request. $changes, if
# given, are what setup has done to its environment: name => value, or undef.
#
# Signals and the alarm come back here and not in detach: an executor may be parked for hours, and
# neither an alarm nor a handler of the script must happen to it before it has begun.
sub take {
    my ($prepared, $environment, $arguments, $changes) = @_;
    my $signals = $prepared->{signals};
    Proc::Prefork::Interp::Signals::restore($signals) if $signals->{alarm} || %{ $signals->{handlers} };
    replace_request($environment, $arguments, $changes);
    $_->() for @Proc::Prefork::Interp::after_fork;
    return;
}

# replace_request($environment, $arguments, $changes) is the part of take that is repeated for each
# request of a persistent executor.
sub replace_request {
    my ($environment, $arguments, $changes) = @_;
    replace_environment($environment);
    for my $name ($changes ? keys %$changes : ()) {
        defined $changes->{$name} ? $ENV{$name} = $changes->{$name} : delete $ENV{$name};
    }
    replace_rest($arguments);
    return;
}

# replace_environment($environment) makes %ENV that of the request.
sub replace_environment {
    my ($environment) = @_;
    # One by one: after an assignment of the whole list a script under -T could not untaint $ENV{PATH}. Most of
    # the last request's is this one's, too, and stays, unless the script may have cleared its taint.
    %ENV = () if ${^TAINT};
    for (@$environment) {
        my ($name, $value) = split /=/, $_, 2;
        $ENV{$name} = $value unless defined $ENV{$name} && $ENV{$name} eq $value;
    }
    if (keys %ENV != @$environment) {
        my %wanted = map { (split /=/)[0] => 1 } @$environment;
        delete @ENV{ grep { !$wanted{$_} } keys %ENV };
    }
    return;
}

# replace_rest($arguments) replaces what else a request has: @ARGV and $^T.
sub replace_rest {
    my ($arguments) = @_;
    @ARGV = @$arguments;
    _decode_arguments() if ${^UNICODE} & 32;
    $^T = time;
    return;
}

# `perl -CA` decodes the arguments at start; L makes that depend on the locale.
sub _decode_arguments {
    return if ${^UNICODE} & 64 && !${^UTF8LOCALE};
    utf8::decode($_) for @ARGV;
    return;
}

1;
