package Proc::Prefork::Interp::Version1;

# The server of protocol v1, as /usr/bin/prefork-interp and Debian's library speak it.
#
#   launcher ── fork, exec ──▶ SETUP
#      │◀── exit 0 ──────────────┤ fork
#      │                         └▶ SERVER     own session; waits for LISTEN, WATCHE and
#      │                              │        the pipes of its monitors
#      └───── CALL, then LISTEN ─────▶└▶ MONITOR     one per call, see Monitor.pm
#
# Each monitor holds one end of a pipe: end-of-file on the other is its end. So neither SIGCHLD
# nor a wait that blocks is needed, and the server hears WATCHE also at the limit. See
# docs/protocol.md, "v1".

use 5.020;    # brings strict, and loads no file that the script would see in %INC

use Proc::Prefork::Interp::Wire;
use Proc::Prefork::Interp::Syscall;
use Proc::Prefork::Interp::Descriptors;
use Proc::Prefork::Interp::Signals;
use Proc::Prefork::Interp::Executor;
use Proc::Prefork::Interp::Monitor;

sub EINTR ()  { 4 }
sub EAGAIN () { 11 }

# serve($handover, %options) ends this process with status 0, and makes a new one the server.
# Options: max_servers, idle_timeout, max_errors, log_facility, as the script gives them.
#
# Returns in each executor. Dies, in setup, if there is no server.
sub serve {
    my ($handover, %options) = @_;
    my $process = fork // die "cannot fork: $!\n";
    Proc::Prefork::Interp::Syscall::leave(0) if $process;
    my $server = _begin($handover, %options);
    my $role = _fork_monitor($server, delete $handover->{call});
    return if $role eq 'executor';
    eval { _let_go($server); 1 } or _quit($server, $@);
    while (1) {
        _await($server);
        _check_watche($server);
        _collect_monitors($server);
        next unless _readable($server, $handover->{listen});
        return if _accept($server) eq 'executor';
    }
}

# Makes this process the server, and notes what the executors get back.
sub _begin {
    my ($handover, %options) = @_;
    my @handles = @$handover{qw(listen watchi watche)};
    Proc::Prefork::Interp::Syscall::session();
    Proc::Prefork::Interp::Executor::finish_setup($handover);
    return {
        handover => $handover,
        handles  => \@handles,
        max      => $options{max_servers} // 4,
        idle     => $options{idle_timeout} // 1_000_000,
        patience => $options{max_errors} // 100,
        facility => $options{log_facility} // 'LOG_USER',
        errors   => 0,
        monitors => {},          # number of the pipe => { process, pipe }
        called   => time,        # when the last call came
        ready    => '',          # what the last wait has found, as select has it
        prepared => Proc::Prefork::Interp::Executor::prepare(
            map { fileno $_ } @handles, $handover->{call}),
    };
}

# Puts the server's 0, 1 and 2, and what setup has made of them, on /dev/null: nobody who waits
# for the end of setup's output waits for the server.
sub _let_go {
    my ($server) = @_;
    Proc::Prefork::Interp::Descriptors::nothing(0 .. 2);
    my $survey = $server->{prepared}{descriptors};
    Proc::Prefork::Interp::Descriptors::give($survey, 0, 1, 2);
    Proc::Prefork::Interp::Descriptors::forget_end();
    return;
}

# Returns "executor" in the executor, "server" in the server, which keeps nothing of the call.
sub _fork_monitor {
    my ($server, $call) = @_;
    my $survey = $server->{prepared}{descriptors};
    pipe my $over, my $alive or return _failed($server, "cannot make a pipe: $!");
    my $process = fork;
    return _failed($server, "cannot fork: $!") unless defined $process;
    Proc::Prefork::Interp::Descriptors::note_offsets($survey);
    if ($process) {
        $server->{monitors}{ fileno $over } = { process => $process, pipe => $over };
        $server->{errors} = 0;
        return 'server';
    }
    close $_ for $over, @{ $server->{handles} }, map { $_->{pipe} } values %{ $server->{monitors} };
    Proc::Prefork::Interp::Monitor::run($server->{prepared}, $call, $alive);
    return 'executor';
}

# Waits until something is readable. Ends the server if nobody calls for too long.
sub _await {
    my ($server) = @_;
    my $handover = $server->{handover};
    my $wanted   = '';
    vec($wanted, $_, 1) = 1 for keys %{ $server->{monitors} }, fileno $handover->{watche};
    vec($wanted, fileno $handover->{listen}, 1) = 1 unless _full($server);
    my $found;
    do {
        my $left = $server->{idle} < 0 ? undef : $server->{called} + $server->{idle} - time;
        $left  = 0 if defined $left && $left < 0;
        $found = select my $ready = $wanted, undef, undef, $left;
        $server->{ready} = $ready;
    } while $found == -1 && $! == EINTR;
    Proc::Prefork::Interp::Syscall::leave(0) if $found == 0;
    _quit($server, "cannot wait: $!") if $found == -1;
    return;
}

sub _full {
    my ($server) = @_;
    return $server->{max} >= 0 && keys %{ $server->{monitors} } >= $server->{max};
}

sub _readable {
    my ($server, $handle) = @_;
    return vec $server->{ready}, fileno $handle, 1;
}

# End-of-file on WATCHE: quit. Data: that is what went wrong.
sub _check_watche {
    my ($server) = @_;
    my $watche = $server->{handover}{watche};
    return unless _readable($server, $watche);
    my $got = sysread $watche, my $text, 4096;
    return if !defined $got && ($! == EAGAIN || $! == EINTR);
    Proc::Prefork::Interp::Syscall::leave(0) if !$got;
    _quit($server, "the launcher says: $text");
}

sub _collect_monitors {
    my ($server) = @_;
    my $monitors = $server->{monitors};
    for my $number (grep { vec $server->{ready}, $_, 1 } keys %$monitors) {
        waitpid $monitors->{$number}{process}, 0;    # it has ended, or is about to
        delete $monitors->{$number};
    }
    return;
}

# Accepts a connection, unless the script has changed: then the server ends, and the launcher,
# whose connection is reset, makes a new one.
sub _accept {
    my ($server) = @_;
    my $handover = $server->{handover};
    Proc::Prefork::Interp::Syscall::leave(0)
        if Proc::Prefork::Interp::Loaded::changed_since($handover->{start});
    if (!accept my $call, $handover->{listen}) {
        return 'server' if $! == EAGAIN || $! == EINTR;    # who called has gone
        return _failed($server, "cannot accept: $!");
    }
    else {
        binmode $call;
        $server->{called} = time;
        return _fork_monitor($server, $call);
    }
}

# An error of the server: it goes on unless too many follow each other.
sub _failed {
    my ($server, $text) = @_;
    _quit($server, $text) if ++$server->{errors} > $server->{patience};
    _log($server, $text);
    return 'server';
}

sub _quit {
    my ($server, $text) = @_;
    _log($server, "$text; the server ends");
    Proc::Prefork::Interp::Syscall::leave(127);
}

# The server has no stderr. Sys::Syslog is loaded only when there is something to say.
sub _log {
    my ($server, $text) = @_;
    my $facility = $server->{facility};
    return if $facility eq '';
    local ($@, $SIG{__DIE__});
    eval {
        require Sys::Syslog;
        Sys::Syslog::openlog("prefork-interp $server->{handover}{program}", 'pid', $facility);
        Sys::Syslog::syslog('err', '%s', $text);
        Sys::Syslog::closelog();
    };
    return;
}

1;
