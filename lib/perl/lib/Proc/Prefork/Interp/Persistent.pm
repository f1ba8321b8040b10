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

# What PerlIO::get_layers shows as flags: end-of-file, an error, output and input that is still there.
sub UNCLEAN () { 0x100 | 0x800 | 0x20000 | 0x40000 }

sub HIGH () { 10 }    # numbers from this on no script expects

my $executor;    # undef when this process serves no other request

# begin($call, $left, $prepared): this process may serve so many requests after its first. What it has
# set at this point is set again before each.
sub begin {
    my ($call, $left, $prepared) = @_;
    open my $null, '+<', '/dev/null' or Proc::Prefork::Interp::Executor::refuse("cannot open /dev/null: $!\n");
    my $nowhere = Proc::Prefork::Interp::Syscall::keep($null, HIGH)
        // Proc::Prefork::Interp::Executor::refuse("cannot keep /dev/null: $!\n");
    $executor = {
        call      => $call,
        nowhere   => $nowhere,                             # what 0, 1 and 2 are between two requests
        left      => $left,
        prepared  => $prepared,
        process   => $$,                                   # a child that the script forks is another one
        directory => scalar readlink('/proc/self/cwd'),
        mask      => umask,
    };
    return;
}

# next_request() ends the request that is served, and waits for the next. Returns false if
# there is none: the script then goes on, and the process with it.
sub next_request {
    my $own = in_turn() or return '';
    local ($@, $!);
    return '' unless let_go($own);
    my @request = park($own, 0) or return '';
    Proc::Prefork::Interp::Executor::replace_request(@request);
    return 1;
}

# in_turn() returns what is known of this process if it may serve another request, and undef if not. Only park
# gives it back.
sub in_turn {
    my $own = $executor;
    undef $executor;
    return $own && $own->{left}-- > 0 && $own->{process} == $$ ? $own : undef;
}

# park($own, $status) tells the launcher how the request has ended, and waits for the next. Returns it as Executor
# receives it; nothing if there is none.
sub park {
    my ($own, $status) = @_;
    my $told = Proc::Prefork::Interp::Wire::write_all($own->{call}, pack 'N', $status);
    Proc::Prefork::Interp::Syscall::release(delete $own->{output} // ());
    return unless $told;
    forget_place();
    my @request = Proc::Prefork::Interp::Executor::receive($own->{call}, $own->{prepared}, 3) or return;
    $executor = $own;
    return @request;
}

# forget_place() has tell say that nothing has been written: CGI::Carp asks it whether there is a header already.
sub forget_place {
    local $.;    # seek makes a handle the one that messages name
    seek $_, 0, 0 for *STDOUT, *STDERR;
    return;
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
    my @handles = (*STDIN, *STDOUT, *STDERR);
    for my $number (0 .. 2) {
        return '' if tied $handles[$number] || (fileno $handles[$number] // -1) != $number;
    }
    Proc::Prefork::Interp::Loaded::report();
    alarm 0;
    umask $own->{mask};
    chdir $own->{directory} or return '';
    my $survey = $own->{prepared}{descriptors};
    Proc::Prefork::Interp::Descriptors::renew($survey, $own->{call}, $own->{nowhere});
    $own->{output} = fcntl STDOUT, Proc::Prefork::Interp::Syscall::F_DUPFD_CLOEXEC(), HIGH;
    Proc::Prefork::Interp::Descriptors::give($survey, $own->{nowhere});
    Proc::Prefork::Interp::Descriptors::forget_end();
    # From here to the status as little as can be: the launcher has been woken by the output.
    Proc::Prefork::Interp::Ending::flush() or return '';
    Proc::Prefork::Interp::Descriptors::give($survey, ($own->{nowhere}) x 3);
    return !grep { !Proc::Prefork::Interp::Ending::is_clean($_, UNCLEAN) } @handles;
}

1;
