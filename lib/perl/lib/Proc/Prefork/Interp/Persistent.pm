package Proc::Prefork::Interp::Persistent;

# A persistent executor: one that serves several requests, because the administrator has asked for it
# and the script is made for it.
#
#   receive ──▶ the script serves a request ──▶ flush, let go of 0, 1, 2 ──▶ status ──▶ end of output ─┐
#      ▲                                                                                              │
#      └─────────────────────────────────────── parked again ◀────────────────────────────────────────┘
#
# The status is there when the launcher sees the output end: it is not woken for it.
#
# An executor in doubt is never parked again: the script goes on behind its loop and the process
# ends as any executor does. See docs/protocol.md, "Persistent executors".

use 5.020;    # brings strict, and loads no file that the script would see in %INC

use Proc::Prefork::Interp::Syscall;

# What PerlIO::get_layers shows as flags: end-of-file, an error, output and input that is still there.
sub UNCLEAN () { 0x100 | 0x800 | 0x20000 | 0x40000 }

sub HIGH ()  { 10 }    # numbers from this on no script expects
sub ALONE () { 6 }     # as many descriptors has a process whose script has none: 0, 1, 2, and ours

sub BYTES ()    { Proc::Prefork::Interp::Syscall::BYTES() }
sub CLOEXEC ()  { Proc::Prefork::Interp::Syscall::CMSG_CLOEXEC() }
sub NOSIGNAL () { Proc::Prefork::Interp::Syscall::NOSIGNAL() }

my $executor;                                  # undef when this process serves no other request
my ($entries, $values, @names) = ([], '');    # of the last request's environment; the values as one string

# What recvmsg says of three descriptors, and what comes with them; see Loop.
my $request_as = sprintf 'x[L!5] L! @%d L! i5 @%d C N', Proc::Prefork::Interp::Syscall::CONTROL(), BYTES;
my $three      = length pack 'L! i2 i3', (0) x 6;

# System calls are made by the numbers.
my ($number, $room, $address, $header, $recvmsg, $sendto, $close, $dup3);

# begin($call, $left, $prepared): this process may serve so many requests after its first. What it has
# set at this point is set again before each.
sub begin {
    my ($call, $left, $prepared) = @_;
    ($number, $room, $address, $header) = Proc::Prefork::Interp::Syscall::tools();
    ($recvmsg, $sendto, $close, $dup3)  = @$number{qw(recvmsg sendto close dup3)};
    open my $descriptors, '<&=', _keep('/proc/self/fd', 0);
    $executor = {
        call        => $call,
        nowhere     => _keep('/dev/null', 2),    # what 0, 1 and 2 are between two requests
        descriptors => $descriptors,
        left        => $left,
        prepared    => $prepared,
        process     => $$,                       # a child that the script forks is another one
        directory   => scalar readlink('/proc/self/cwd'),
        mask        => umask,
    };
    return;
}

# next_request() ends the request that is served, and waits for the next. Returns false if
# there is none: the script then goes on, and the process with it.
sub next_request {
    my $own = in_turn() or return '';
    local ($@, $!);
    return '' unless let_go($own);
    my ($environment, $arguments) = park($own, 0) or return '';
    _amend($environment) or _replace($environment);
    Proc::Prefork::Interp::Executor::replace_rest($arguments);
    return 1;
}

# in_turn() returns what is known of this process if it may serve another request, and undef if not. Only park
# gives it back.
sub in_turn {
    my $own = $executor;
    undef $executor;
    return $own && $own->{left}-- > 0 && $own->{process} == $$ ? $own : undef;
}

# let_go($own) makes this process one that has nothing of its request. Returns false if it cannot, or if the
# script has done something to its standard handles that another request would notice.
sub let_go {
    my ($own) = @_;
    return 1 if eval { _let_go($own) };
    Proc::Prefork::Interp::Syscall::release(delete $own->{output} // ());
    return '';
}

sub _let_go {
    my ($own) = @_;
    return '' if tied *STDIN || tied *STDOUT || tied *STDERR;
    return '' if (fileno STDIN // -1) != 0 || (fileno STDOUT // -1) != 1 || (fileno STDERR // -1) != 2;
    Proc::Prefork::Interp::Loaded::report();
    alarm 0;
    umask $own->{mask};
    chdir $own->{directory} or return '';
    my ($survey, $nowhere) = ($own->{prepared}{descriptors}, $own->{nowhere});
    # Most have opened nothing. Linux 6.2 and later show how many descriptors there are.
    if (-s $own->{descriptors} != ALONE || @{ $survey->{duplicates} }) {
        Proc::Prefork::Interp::Descriptors::renew($survey, fileno $own->{descriptors}, @$own{qw(call nowhere)});
    }
    my $plain = $own->{plain} = !@{ $survey->{duplicates} } && !${^TAINT};
    $own->{output} = fcntl STDOUT, Proc::Prefork::Interp::Syscall::F_DUPFD_CLOEXEC(), HIGH;
    $plain
        ? syscall($dup3, $nowhere, 0, 0) == 0 || return ''
        : Proc::Prefork::Interp::Descriptors::give($survey, $nowhere);
    local $.;            # seek makes a handle the one that messages name
    seek STDIN, 0, 1;    # it forgets an end-of-file
    # From here to the status as little as can be: the launcher has been woken by the output.
    Proc::Prefork::Interp::Ending::flush() or return '';
    $plain
        ? syscall($dup3, $nowhere, 1, 0) + syscall($dup3, $nowhere, 2, 0) == 3 || return ''
        : Proc::Prefork::Interp::Descriptors::give($survey, undef, $nowhere, $nowhere);
    return Proc::Prefork::Interp::Ending::is_clean(UNCLEAN, *STDIN, *STDOUT, *STDERR);
}

# park($own, $status) tells the launcher how the request has ended, and waits for the next. Returns it as Executor
# receives it; nothing if there is none.
sub park {
    my ($own, $status) = @_;
    my $call = $own->{call};
    my $told = pack 'N', $status;
    my $sent = syscall $sendto, $call, $told, length $told, NOSIGNAL, 0, 0;
    syscall $close, delete $own->{output} if defined $own->{output};
    return unless $sent == length $told || $sent < 0 && Proc::Prefork::Interp::Wire::write_all($call, $told);
    {
        local $.;
        tell $_ and seek $_, 0, 0 for *STDOUT, *STDERR;    # CGI::Carp asks tell whether there is a header already
    }
    substr $$room, 0, length $header, $header;
    my $count = syscall $recvmsg, $call, $address, CLOEXEC;
    my ($given, $size, undef, undef, $stdin, $stdout, $stderr, $go_on, $length) = unpack $request_as, $$room;
    my @request;
    if ($count == 5 + $length && $go_on == 0 && $given && $size == $three && $own->{plain}) {
        syscall($dup3, $stdin, 0, 0) + syscall($dup3, $stdout, 1, 0) + syscall($dup3, $stderr, 2, 0) == 3
            or Proc::Prefork::Interp::Executor::refuse("cannot replace the standard descriptors: $!\n");
        syscall $close, $stdin;
        syscall $close, $stdout;
        syscall $close, $stderr;
        @request = eval { Proc::Prefork::Interp::Wire::request(substr $$room, BYTES + 5, $length) }
            or Proc::Prefork::Interp::Executor::refuse($@);
    }
    else {
        @request = Proc::Prefork::Interp::Executor::receive($call, $own->{prepared}, 3,
            $count > 0 ? Proc::Prefork::Interp::Syscall::gathered($count) : ()) or return;
    }
    $executor = $own;
    return @request;
}

# Most of an environment is that of the last request. Where the script has changed nothing of it, and the
# variables are the same, the others are set. Returns whether it is so.
sub _amend {
    my ($environment) = @_;
    my @values = @ENV{@names};
    return '' if @$environment != @names || keys %ENV != @names || ${^TAINT} || grep { !defined } @values;
    return '' if join("\0", @values) ne $values;
    my $i = 0;
    for my $entry (@$environment) {
        if ($entry ne $entries->[$i]) {
            my ($name, $value) = split /=/, $entry, 2;
            return '' if $name ne $names[$i];
            $ENV{$name} = $value;
        }
        $i++;
    }
    _note($environment);
    return 1;
}

sub _replace {
    my ($environment) = @_;
    Proc::Prefork::Interp::Executor::replace_environment($environment);
    @names = map { (split /=/)[0] } @$environment;
    _note($environment);
    return;
}

sub _note {
    my ($environment) = @_;
    $entries = $environment;
    $values  = join "\0", @ENV{@names};
    return;
}

# Opens a path, under a number that no script expects.
sub _keep {
    my ($path, $access) = @_;
    sysopen my $file, $path, $access or Proc::Prefork::Interp::Executor::refuse("cannot open $path: $!\n");
    return Proc::Prefork::Interp::Syscall::keep($file, HIGH)
        // Proc::Prefork::Interp::Executor::refuse("cannot keep $path: $!\n");
}

1;
