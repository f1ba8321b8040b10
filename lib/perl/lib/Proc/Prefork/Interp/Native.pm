package Proc::Prefork::Interp::Native;

# The server of the native dialect: the process that the launcher has started, from
# start to end. One executor for each `fork`; nothing is waited for but ctl.
#
#   launcher ── fork + files ──▶ SERVER ── fork ──▶ EXECUTOR   greets, takes its request,
#            ── reap ──────────▶   │                  │        and returns from serve()
#            ◀── file, done ───────┘        call socket
#
# See docs/protocol.md, "Native".

use 5.020;    # brings strict, and loads no file that the script would see in %INC

our $VERSION = '0.1.0';    # as in Interp.pm, which an automatic fork point does not load

use Proc::Prefork::Interp::Wire;
use Proc::Prefork::Interp::Syscall;
use Proc::Prefork::Interp::Descriptors;
use Proc::Prefork::Interp::Signals;
use Proc::Prefork::Interp::Executor;

our $can = \&UNIVERSAL::can;    # for Ending: a module of the script may put another in its place
my ($folder) = __FILE__ =~ m{^(.*)/Native\.pm$}s;

my $rest;    # true when _load_rest has been called

sub GRACE () { 5 }    # seconds between SIGTERM and SIGKILL

# What was done. Bits: several messages may come at once.
sub FORKED ()   { 1 }
sub REAPED ()   { 2 }
sub EXECUTOR () { 4 }    # this is the executor, and it has its request

# serve($handover, %options) makes this process the server. Options: notes (a reference to a list of
# lines for the launcher), cold (why the script must not be warm), changes (what
# setup has done to its environment; an automatic fork point has it), max_servers, reuse (executors
# may serve more than one request).
#
# Returns in each executor, when it has its request. Never returns in the server.
sub serve {
    my ($handover, %options) = @_;
    my $server = _begin($handover, %options);
    _load_rest($server) if $server->{reuse};
    while (1) {
        my $settled = $rest && !$server->{asks} && Proc::Prefork::Interp::Learning::is_idle();
        my $done = _is_usual($server) && Proc::Prefork::Interp::Loop::run($server, $settled) || _do_next($server)
            or last;
        return if $done & EXECUTOR;
        next unless $rest && $done & FORKED;
        $server->{asks} &&= Proc::Prefork::Interp::Pages::asked() unless $server->{learns};    # which moves free memory
        @$server{qw(learns asks)} = (1, 1) if Proc::Prefork::Interp::Learning::step($server);
    }
    _end_executors($server);
    Proc::Prefork::Interp::Syscall::leave(0);
}

# May Loop do the server's work, until something unusual comes? The first fork is no usual one, and Ending learns
# before each deed.
sub _is_usual {
    my ($server) = @_;
    return $server->{several} && !$server->{reuse} && !$server->{learns} && $server->{forked} && $server->{ctl}{unread} eq '';
}

# Does what the next message says. Returns what was done, as Loop does; nothing at end-of-file.
sub _do_next {
    my ($server) = @_;
    my ($type, $payload) = _next_message($server) or return;
    my $length = length($payload // '');
    $server->{learns} &&= Proc::Prefork::Interp::Ending::learn() if $server->{reaps};
    return _fork($server, unpack 'a4 N', $payload) if $type eq 'fork' && ($length == 4 || $length == 8);
    _fault($server, "a message that is not known: \"$type\"") if $type ne 'reap' || $length != 4;
    _reap($server, $payload);
    if (!$server->{reaps}++) {    # until then a request shares the processors with nothing of ours
        _load_rest($server) unless $rest;
        Proc::Prefork::Interp::Ending::learn();
    }
    return REAPED;
}

# Says that the fork point is reached, or that it must not be used.
sub _begin {
    my ($handover, %options) = @_;
    close delete $handover->{$_} for qw(listen watchi watche);
    Proc::Prefork::Interp::Loaded::at_end();
    my $ctl    = Proc::Prefork::Interp::Syscall::keep(delete $handover->{call}, 3) // die "cannot keep ctl: $!\n";
    my $inbox  = Proc::Prefork::Interp::Loaded::open_inbox();
    my @own    = ($ctl, $inbox);
    my $server = {
        ctl      => { socket => $ctl, unread => '', received => [] },
        inbox    => $inbox,
        running  => {},    # id => process
        changes  => $options{changes},
        began    => $handover->{began},
        several  => Proc::Prefork::Interp::Syscall::several(),
        reuse    => $options{reuse} && Proc::Prefork::Interp::Syscall::several(),
        prepared => Proc::Prefork::Interp::Executor::prepare(@own),
        learns   => 1,     # Ending has to find out more
        asks     => 1,     # Pages has to
    };
    Proc::Prefork::Interp::Loaded::send_new($ctl);
    Proc::Prefork::Interp::Loaded::send_missed($ctl);
    _send($server, 'note', $_) for @{ $options{notes} || [] };
    if (defined $options{cold}) {
        _send($server, 'cold', $options{cold});
        Proc::Prefork::Interp::Syscall::leave(0);
    }
    Proc::Prefork::Interp::Descriptors::forget_end();
    flush();
    my @facts = ("library=Proc::Prefork::Interp $VERSION (Perl)",
        'fds=' . join ',', @own);
    push @facts, "max_servers=$options{max_servers}" if defined $options{max_servers};
    push @facts, 'reuse=1' if $server->{reuse};
    push @facts, 'rights=4' if $server->{several};
    Proc::Prefork::Interp::Syscall::make_room();
    $server->{environment} = {%ENV};
    %ENV = ();    # so no executor has to do it
    _send($server, "PFN\n", Proc::Prefork::Interp::Wire::strings(@facts));
    my $survey = $server->{prepared}{descriptors};
    $server->{plain} = !${^TAINT} && !@{ $survey->{duplicates} } && !@{ $survey->{files} };
    return $server;
}

# Loads what executors can do without until a first request is over, unless one serves several.
sub _load_rest {
    my ($server) = @_;
    $rest = 1;
    my @rest = map { "$folder/$_.pm" } qw(Ending Pages Learning Loop);
    require $_ for @rest;
    delete @INC{@rest};
    Proc::Prefork::Interp::Learning::begin($server) unless $server->{reuse};
    return;
}

# flush() writes what STDOUT and STDERR still hold. What setup has printed is setup's, and the launcher must know of it.
sub flush {
    my $selected = select;
    for my $output (*STDOUT, *STDERR) {
        select $output;
        my $autoflush = $|;
        $| = 1;
        $| = $autoflush;
    }
    select $selected;
    return;
}

# What cannot be sent is not missed: the launcher is gone, and the next read says so.
sub _send {
    my ($server, $type, $payload) = @_;
    Proc::Prefork::Interp::Wire::send_message($server->{ctl}{socket}, $type, $payload);
    return;
}

# Returns type and payload of the next message; nothing at end-of-file.
sub _next_message {
    my ($server) = @_;
    return Proc::Prefork::Interp::Wire::next_message($server->{ctl}) if $server->{several};
    return Proc::Prefork::Interp::Wire::receive_message($server->{ctl}{socket});
}

# Returns EXECUTOR in the executor, FORKED in the server. The launcher says how many requests the
# executor may serve; if it does not, one.
sub _fork {
    my ($server, $id, $requests) = @_;
    my @received = splice @{ $server->{ctl}{received} };
    while (@received < 4 && !$server->{several}) {
        push @received, (Proc::Prefork::Interp::Syscall::gather($server->{ctl}{socket}))[1] // last;
    }
    _fault($server, 'a fork without its four descriptors') if @received != 4;
    my $first   = !$server->{forked}++;
    my $process = fork;
    Proc::Prefork::Interp::Descriptors::note_offsets($server->{prepared}{descriptors}) if $first;
    if (!defined $process) {
        _send($server, 'fail', $id . "cannot fork: $!");
    }
    elsif ($process == 0) {
        setpgrp 0, 0;
        _become_executor($server, $server->{reuse} && $requests || 1, @received);
        return EXECUTOR;
    }
    else {
        setpgrp $process, $process;    # so the group exists, whoever is first
        $server->{running}{$id} = $process;
    }
    Proc::Prefork::Interp::Syscall::release(@received);
    return FORKED;
}

# From the fork to the script's first statement. Does not return if the launcher leaves. Loop has the like for the usual
# executor. The call socket
# of a persistent executor gets a number that no script expects.
sub _become_executor {
    my ($server, $requests, $call, @standard) = @_;
    Proc::Prefork::Interp::Syscall::release($server->{ctl}{socket}, $server->{inbox});
    if ($rest) {
        Proc::Prefork::Interp::Ending::forget();
        Proc::Prefork::Interp::Learning::forget();
    }
    Proc::Prefork::Interp::Executor::detach($server->{prepared}, @standard);
    $call = _raise($call) if $requests > 1;
    Proc::Prefork::Interp::Wire::write_all($call, Proc::Prefork::Interp::Wire::GREETING())
        or Proc::Prefork::Interp::Syscall::leave(0);
    if ($rest) {
        Proc::Prefork::Interp::Pages::populate();
        Proc::Prefork::Interp::Pages::watch() if !$server->{learns};    # what is learned moves the memory that is free
    }
    my ($environment, $arguments) =
        Proc::Prefork::Interp::Executor::receive($call, $server->{prepared}, 1)
        or Proc::Prefork::Interp::Syscall::leave(0);
    Proc::Prefork::Interp::Loaded::at_end(\&Proc::Prefork::Interp::Loaded::tell);
    if ($requests == 1) {
        Proc::Prefork::Interp::Syscall::release($call);
    }
    else {
        Proc::Prefork::Interp::Persistent::begin($call, $requests - 1, $server->{prepared});
    }
    Proc::Prefork::Interp::Executor::take($server->{prepared}, $environment, $arguments,
        $server->{changes});
    return;
}

sub _raise {
    my ($number) = @_;
    open my $call, '+<&=', $number or Proc::Prefork::Interp::Executor::refuse("cannot use the call socket: $!\n");
    return Proc::Prefork::Interp::Syscall::keep($call, Proc::Prefork::Interp::Persistent::HIGH())
        // Proc::Prefork::Interp::Executor::refuse("cannot keep the call socket: $!\n");
}

# Waits for an executor and says how it has ended. What it has written to the inbox is there
# by then.
sub _reap {
    my ($server, $id) = @_;
    my $process = delete $server->{running}{$id} // return;
    my ($status, @used) = Proc::Prefork::Interp::Syscall::collect($process);
    Proc::Prefork::Interp::Loaded::forward($server->{inbox}, $server->{ctl}{socket});
    $#used = 2;
    _send($server, 'done', $id . pack('N', $status // 0) . Proc::Prefork::Interp::Wire::numbers64(@used));
    return;
}

# The launcher is gone: SIGTERM to all that still runs, and SIGKILL when the grace is over. The
# alarm is the one thing here that wakes by itself, and it is set only now.
sub _end_executors {
    my ($server) = @_;
    my %left = map { $_ => 1 } values %{ $server->{running} };
    waitpid($_, 1) == 0 or delete $left{$_} for keys %left;    # WNOHANG
    kill TERM => -$_ for keys %left;
    local $SIG{ALRM} = sub { kill KILL => -$_ for keys %left };
    alarm GRACE;
    for my $process (keys %left) {
        waitpid $process, 0;
        delete $left{$process};
    }
    alarm 0;
    return;
}

# The launcher does not keep to the protocol.
sub _fault {
    my ($server, $text) = @_;
    Proc::Prefork::Interp::Executor::complain("Proc::Prefork::Interp: the launcher has sent $text\n");
    _end_executors($server);
    Proc::Prefork::Interp::Syscall::leave(127);
}

1;
