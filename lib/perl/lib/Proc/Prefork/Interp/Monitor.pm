package Proc::Prefork::Interp::Monitor;

# The monitor of one call of protocol v1: between server and executor.
#
#   launcher ◀── greeting ──── MONITOR     own process group
#            ─── byte, files, ─▶ │ fork
#                request         └▶ EXECUTOR    returns from run() into the script
#            ◀── wait status ───┘
#
# It waits for the end of the process, by a pidfd, and for the launcher's, by the call
# socket. See docs/protocol.md, "v1", 5 and 6.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

sub EINTR () { 4 }

# run($prepared, $call, $alive) serves the call on a socket; $alive is a handle that the server
# watches for end-of-file. Returns in the executor. Never returns in the monitor.
sub run {
    my ($prepared, $call, $alive) = @_;
    setpgrp 0, 0;
    my ($environment, $arguments, @standard) = _receive($call);
    my $process = fork;
    Proc::Prefork::Interp::Executor::refuse("cannot fork: $!\n") unless defined $process;
    if ($process == 0) {
        close $_ for $call, $alive;
        Proc::Prefork::Interp::Executor::detach($prepared, @standard);
        Proc::Prefork::Interp::Executor::take($prepared, $environment, $arguments);
        return;
    }
    Proc::Prefork::Interp::Syscall::release($_) for @standard;
    Proc::Prefork::Interp::Descriptors::nothing(0 .. 2);
    if (!_ends_first($process, $call)) {
        $SIG{INT} = 'IGNORE';
        kill INT => -$$;
    }
    my ($status) = Proc::Prefork::Interp::Syscall::collect($process);
    Proc::Prefork::Interp::Wire::write_all($call, pack 'N', $status // 0);
    Proc::Prefork::Interp::Syscall::leave(0);
}

# Greets and takes all that the launcher sends. Ends the monitor if the launcher is gone.
sub _receive {
    my ($call) = @_;
    my (@standard, @request);
    my $complete = Proc::Prefork::Interp::Wire::write_all($call,
        Proc::Prefork::Interp::Wire::GREETING());
    my $byte = $complete ? Proc::Prefork::Interp::Wire::read_exactly($call, 1) : undef;
    Proc::Prefork::Interp::Syscall::leave(0) unless defined $byte;
    Proc::Prefork::Interp::Executor::refuse("the launcher does not say \"go on\"\n")
        if $byte ne "\0";
    while (@standard < 3) {
        my $number = Proc::Prefork::Interp::Syscall::receive($call);
        Proc::Prefork::Interp::Syscall::leave(0) unless defined $number;
        push @standard, $number;
    }
    eval { @request = Proc::Prefork::Interp::Wire::receive_request($call); 1 }
        or Proc::Prefork::Interp::Executor::refuse($@);
    Proc::Prefork::Interp::Syscall::leave(0) unless @request;
    return @request, @standard;
}

# Waits. Returns whether the executor has ended; false: the launcher is gone, or wants the end.
# Without a pidfd only the executor is waited for.
sub _ends_first {
    my ($process, $call) = @_;
    my $ended = Proc::Prefork::Interp::Syscall::watch($process) // return 1;
    my ($wanted, $ready) = ('', '');
    vec($wanted, fileno $_, 1) = 1 for $ended, $call;
    my $found;
    do { $found = select $ready = $wanted, undef, undef, undef } while $found == -1 && $! == EINTR;
    return vec $ready, fileno $ended, 1;
}

1;
