package Proc::Prefork::Interp;

# The explicit fork point: the script calls prefork_initialisation_complete. The
# parts, and who loads them; a script that runs standalone loads this file only.
#
#   Interp.pm     explicit fork point     Handover  Loaded ─┬─▶ Native
#                                                           └─▶ Version1  Monitor
#   Automatic.pm  automatic fork point    Handover  Loaded  Watch  Early ─▶ Native
#
#   Native and Version1 share Executor, Descriptors, Signals, Wire, Syscall. Native
#   alone, behind the fork point: Loop, for what is usual; Ending, which sends Scout; Pages; Learning, which sends Trial; and Persistent, where the script has prefork_accept. Automatic with
#   `reuse on`: Rerun ─▶ Persistent  Restore.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

our $VERSION   = '0.1.0';
our @EXPORT    = qw(prefork_initialisation_complete prefork_accept prefork_autoreload_also_check);
our @EXPORT_OK = qw(before_fork after_fork prefork_extend);
our (@before_fork, @after_fork);    # the functions that the script has registered

my $handover;                       # until the fork point; undef standalone
my $transport;
my $accepted;                       # how often the script has called prefork_accept

# All is loaded now, while the launcher's -I is in force.
BEGIN {
    my ($lib) = __FILE__ =~ m{^(.*)/Proc/Prefork/Interp\.pm$}s;
    if (defined $ENV{PREFORK_INTERP}) {
        require Proc::Prefork::Interp::Loaded;    # first, for its END block
        require Proc::Prefork::Interp::Handover;
        $handover  = Proc::Prefork::Interp::Handover::take();
        $transport = $ENV{PREFORK_INTERP_TEST_TRANSPORT};
        Proc::Prefork::Interp::Loaded::begin($handover);
        # Not with a condition behind it: what that has looked at counts as a name under -T.
        if ($handover->{fork_point}) {
            require Proc::Prefork::Interp::Native;
            require Proc::Prefork::Interp::Persistent;
            Proc::Prefork::Interp::Handover::hide($lib);
        }
        else {
            require Proc::Prefork::Interp::Version1;
        }
    }
}

# What Exporter does, without Exporter.
sub import {
    my ($class, @names) = @_;
    my $package = caller;
    for my $name (@names ? @names : @EXPORT) {
        $name =~ s/^&//;
        if (!grep { $_ eq $name } @EXPORT, @EXPORT_OK) {
            my (undef, $file, $line) = caller;
            die "\"$name\" is not exported by $class at $file line $line.\n";
        }
        BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
        *{"${package}::$name"} = \&$name;
    }
    return;
}

sub prefork_initialisation_complete {
    my (%options) = @_;
    return unless $handover;
    my ($given, $child) = ($handover, $?);
    local ($@, $!, $_);    # not $?: it would hide the status of a hook that dies or exits
    if (Proc::Prefork::Interp::Syscall::prepare($transport, !$handover->{fork_point}) eq 'none') {
        die "Proc::Prefork::Interp: there is no way to receive descriptors on this machine;"
            . " install IO::FDPass (Debian: libio-fdpass-perl)\n";
    }
    Proc::Prefork::Interp::Loaded::without_modules()
        if exists $options{autoreload_inc} && !$options{autoreload_inc};
    Proc::Prefork::Interp::Loaded::also_check(@{ $options{autoreload_extra} || [] });
    undef $handover;
    if ($given->{fork_point}) {
        my @notes = Proc::Prefork::Interp::Executor::finish_setup($given);
        Proc::Prefork::Interp::Native::serve($given, %options, notes => \@notes);
    }
    else {
        Proc::Prefork::Interp::Version1::serve($given, %options);
    }
    $? = $child;
    return;
}

sub prefork_accept {
    my (%options) = @_;
    if (!$accepted++) {
        prefork_initialisation_complete(%options, reuse => 1);
        return 1;
    }
    return '' unless defined &Proc::Prefork::Interp::Persistent::next_request;    # standalone, v1
    return Proc::Prefork::Interp::Persistent::next_request();
}

sub prefork_autoreload_also_check {
    my (@paths) = @_;
    return unless defined &Proc::Prefork::Interp::Loaded::also_check;    # standalone
    Proc::Prefork::Interp::Loaded::also_check(@paths);
    return;
}

sub prefork_extend {
    my ($seconds) = @_;
    my $name = $Proc::Prefork::Interp::Handover::extend;
    return '' unless defined $name && $seconds > 0;
    local $!;
    my $milliseconds = $seconds < 4_294_967 ? $seconds * 1000 : 0xffffffff;
    socket my $bell, 1, 1, 0 or return '';    # AF_UNIX, SOCK_STREAM
    connect $bell, pack 'S a*', 1, "\0$name" or return '';
    send $bell, pack('N', $milliseconds), 0x4000 or return '';    # MSG_NOSIGNAL
    sysread $bell, my $answer, 1 or return '';
    return $answer eq "\1";
}

sub before_fork {
    my ($function) = @_;
    push @before_fork, $function;
    return;
}

sub after_fork {
    my ($function) = @_;
    push @after_fork, $function;
    return;
}

1;

__END__

=head1 NAME

Proc::Prefork::Interp - the script's side of prefork-cgi and prefork-interp

=head1 SYNOPSIS

    use strict;
    use CGI;                            # setup: done once
    use Proc::Prefork::Interp;

    prefork_initialisation_complete();  # the fork point

    print "Content-Type: text/plain\n\n", "Process $$\n";    # done for each request

=head1 DESCRIPTION

A launcher (prefork-cgi, or the program C<prefork-interp> of chiark-utils) starts the script
once. What stands before the fork point is I<setup>; it runs once. What stands behind it runs for
each request, in a fresh process that is called an I<executor>, with stdin, stdout, stderr,
environment and arguments of that request.

Started in any other way the script runs I<standalone>: all functions return at once and change
nothing.

This module takes the place of Debian's module of the same name. It speaks protocol v1 and, with
prefork-cgi, the native dialect; F<docs/protocol.md> of prefork-cgi describes both. A script that does
not use the module can be warm, too: see L</"AUTOMATIC FORK POINT">.

=head1 FUNCTIONS

The first three are exported, the others on request.

=head2 prefork_initialisation_complete(%options)

The fork point. Takes the options below. Returns nothing, once in each executor; standalone, and when it
is called again, at once. It dies if descriptors cannot be received on this machine, or, under v1, if
the first fork fails; then setup has failed. (F<docs/protocol.md>, "v1" and "Native".)

=over

=item max_servers => NUMBER

How many executors may run at once. v1: 4 if not given, without limit if negative. Native: if
given it is told to the launcher, whose own limit counts also.

=item autoreload_inc => BOOLEAN

If false, the modules in C<%INC> are not looked at for changes, only the script and the files
that are named. Native: they are not reported to the launcher, which watches what is reported, and none that executors load
later is learned.

=item autoreload_extra => [ PATHS ]

More files to look at, as with C<prefork_autoreload_also_check>.

=item idle_timeout => SECONDS

v1: the server ends when nobody has called for so long; 1_000_000 if not given, never if
negative. Native: no effect, the launcher's limits count.

=item max_errors => NUMBER

v1: the server ends when more errors than this follow each other; 100 if not given. Native: no effect.

=item log_facility => STRING

v1: where syslog gets the server's errors, C<LOG_USER> if not given; an empty string means
nowhere. Native: no effect, stderr of setup goes to the launcher's log.

=back

Other options are ignored.

=head2 prefork_accept(%options)

    while (prefork_accept()) { ... }

The fork point of a script that can serve several requests in one process, if the administrator wants that; all
other scripts need C<prefork_initialisation_complete>. The first call is the fork point, with the same options, and
returns true. Each later one ends the request and waits for the next; it returns false when there is none in
this process, and the script goes on behind the loop and ends.

Between two requests C<%ENV>, C<@ARGV> and C<$^T> are replaced, as are the standard handles; umask and working directory
are those of the fork point again, and a pending alarm is off. Everything else stays: variables, other handles,
signal handlers, the sequence of C<rand>. A process that the script has left with other standard handles
(closed, tied) serves no more requests.

Standalone, under v1, and where one process serves one request, it returns true once. (F<docs/protocol.md>, "Persistent
executors".)

=head2 prefork_autoreload_also_check(@paths)

Adds files that the script depends on, such as its configuration: when one changes, setup runs
anew. A file need not exist. Returns nothing. In an executor of the native dialect the files are reported at
its end.

=head2 prefork_extend($seconds)

    prefork_extend(600) or warn "it will have to be quick";

Asks the launcher for so many more seconds from now: until then no limit on its time ends the script. It may be called again and
again, also by a child in the script's process group. Returns whether it was granted: the administrator sets a limit, C<max_extension>.
False standalone and under v1. (F<docs/protocol.md>, "More time".)

=head2 before_fork($function)

Has a function called once in the server when the fork point is reached, before the first fork. Functions are called without
arguments, in the order of registration. If one dies, setup has failed. Returns nothing.

=head2 after_fork($function)

Has a function called in each executor when it has its request, before the script goes on: the place to
connect to a database. If one dies, the executor dies. Returns nothing.

=head1 WHAT AN EXECUTOR IS

It has a process group of its own, C<%ENV> and C<@ARGV> of its request, a fresh start time in C<$^T>, and fresh random numbers.
Signal handlers and an alarm are as setup has left them; they are out of force in the server. Duplicates of the standard handles
that setup has made are duplicates of the request's. Files that setup has open for reading, such as C<DATA>, are read from the same
place by each. DBI handles of setup get C<AutoInactiveDestroy>. All else is inherited: open one connection for each executor,
and not one in setup for all. (F<docs/protocol.md>, "What an executor does, in this order".)

=head1 HOW AN EXECUTOR ENDS

As a Perl program does: END blocks run, destructors are called, buffers are written, children behind pipes are waited for. With
the native dialect and Perl 5.26 or later perl's own end is left out where nobody can tell: when no object with a destructor
that does something is left, and no child. That saves as much as a small page costs. C code of modules that are not
perl's own is looked at by the names that it uses, and decides against in doubt.

An END block that was compiled before this module keeps perl's own end. So name this module first.

=head1 AUTOMATIC FORK POINT

prefork-cgi starts a script that does not name a fork point with C<-MProc::Prefork::Interp::Automatic>. The fork point is then where
perl has compiled the whole script, with all C<use> and C<BEGIN>, and before its first statement. The script cannot tell: C<%ENV>,
C<%INC>, C<@INC> and messages are as always. Changes that setup has made to C<%ENV> stay in force in the executors.

Files that the script begins by requiring, such as C<require "lib.pl">, are loaded in setup if they do nothing there that belongs to
a request. (F<docs/fork-safety.md>, "What Perl scripts require".)

Modules that executors load later, in the middle of a request, the server learns to load itself, with either fork point, if loading
them leaves no trace but themselves. (F<docs/fork-safety.md>, "What Perl scripts load late".)

Where the administrator says C<reuse on> a process serves several requests of such a script: the script is run again from its
beginning, compiled anew, with its variables, handles and signals put back. (F<docs/fork-safety.md>, "Reuse".)

The script is run cold if setup looks at the environment of a request, or lists all of it; the launcher is told where. Under taint
mode (C<-T>) this is not watched.

=head1 REQUIREMENTS

Linux, Perl 5.20. No other module is loaded on x86_64, i386, arm, aarch64, ppc64, s390x and riscv64. Elsewhere L<IO::FDPass> (Debian:
libio-fdpass-perl) receives the descriptors; without a pidfd the monitor of protocol v1 does not notice that its launcher has gone.

=head1 LIMITATIONS

A switch C<-M> on the script's first line is handled before ours: INIT blocks of such a module run in setup. An
END block that was compiled before this module was loaded runs after ours, and what it loads is not reported.

=head1 COPYRIGHT AND LICENSE

Copyright the founders of prefork-cgi. Apache License, Version 2.0. The module and its options follow
Proc::Prefork::Interp of chiark-utils by Ian Jackson, and share no code with it.

=head1 SEE ALSO

F<docs/protocol.md> in prefork-cgi, prefork-interp(1).

=cut
