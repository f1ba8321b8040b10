package Proc::Prefork::Interp::Signals;

# What the script has done with signals until the fork point: out of force in the
# server, where SIGCHLD=IGNORE would break wait and a handler would run at the wrong
# time in the wrong process, and in force again in each executor.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

my @names = ((grep { !/^__/ } keys %SIG), '__DIE__', '__WARN__');

# set_aside() resets all signals, the hooks for die and warn, and the alarm. Returns
# a reference to a hash: handlers, and alarm (seconds that are left, or 0).
sub set_aside {
    my %had;
    for my $name (grep { defined $SIG{$_} } @names) {
        my $handler = $SIG{$name};
        next if !ref $handler && $handler =~ /^(?:DEFAULT)?$/;
        next if $name eq 'FPE' && $handler eq 'IGNORE';    # perl's own doing
        $had{$name} = $handler;
        delete $SIG{$name};
    }
    return { handlers => \%had, alarm => alarm 0 };
}

# restore($aside) puts all back. A signal that had no handler has none then: reading
# %SIG gives undef as in a process where nobody has touched it.
sub restore {
    my ($aside) = @_;
    my $handlers = $aside->{handlers};
    $SIG{$_} = $handlers->{$_} for keys %$handlers;
    alarm $aside->{alarm} if $aside->{alarm};
    return;
}

1;
