package Proc::Prefork::Interp::Automatic;

# A fork point for a script that knows nothing of it. The launcher loads this module on the
# command line:
#
#   perl -I LIBDIR -MProc::Prefork::Interp::Automatic SCRIPT
#
#   BEGIN ──▶ the script is compiled, every `use` is done ──▶ INIT ──▶ first statement
#   watch %ENV                                        fork point      in each executor
#
# Its INIT block is the first, so all others run in the executors. For the script it is not there:
# not in @INC, %INC, %ENV. See docs/protocol.md, "The automatic fork point".
#
# Without a handover that offers the native dialect nothing happens.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

my ($lib, $handover, $watch, %before);

BEGIN {
    ($lib) = __FILE__ =~ m{^(.*)/Proc/Prefork/Interp/Automatic\.pm$}s;
    if (($ENV{PREFORK_INTERP} // '') =~ / n1,automatic(?: |$)/) {
        require Proc::Prefork::Interp::Loaded;    # first, for its END block
        require Proc::Prefork::Interp::Handover;
        require Proc::Prefork::Interp::Native;
        require Proc::Prefork::Interp::Watch;
        $handover = Proc::Prefork::Interp::Handover::take();
        Proc::Prefork::Interp::Loaded::begin($handover);
        require Proc::Prefork::Interp::Rerun if $handover->{reuse};
    }
    require Proc::Prefork::Interp::Handover;
    Proc::Prefork::Interp::Handover::hide($lib);
}

if ($handover) {
    $handover->{transport} = delete $ENV{PREFORK_INTERP_TEST_TRANSPORT};
    %before = %ENV;
    $watch  = Proc::Prefork::Interp::Watch::start() unless ${^TAINT};
}

# Where a BEGIN block says `exit 0` perl skips what is left to be compiled and still runs INIT blocks:
# there is no script then, and setup just ends. Perl leaves line 0 behind when it has compiled all.
INIT { _reach_fork_point() if $handover && !(caller 0)[2] }

# The executors return from here to perl, which then runs the script. What perl shows a script that
# has just begun is as it was.
sub _reach_fork_point {
    my $child = $?;
    local ($@, $!, $_);    # not $?: it would hide the status of a hook that dies or exits
    my @notes  = Proc::Prefork::Interp::Executor::finish_setup($handover);
    my $reason = $watch && (_load_early() // Proc::Prefork::Interp::Watch::end($watch));
    my $way    = Proc::Prefork::Interp::Syscall::prepare($handover->{transport});
    $reason //= 'there is no way to receive descriptors here: install IO::FDPass'
        . ' (libio-fdpass-perl)'
        if $way eq 'none';
    my ($given, $changes) = ($handover, _changes());
    my $once = $given->{reuse} && Proc::Prefork::Interp::Rerun::prepare($given, \%before, $changes);
    push @notes, "each process serves one request, since $once" if $once;
    undef $_ for $handover, $watch;
    %before = ();
    _hide_modules();
    Proc::Prefork::Interp::Native::serve($given, notes => \@notes, cold => $reason,
        changes => $changes, reuse => $given->{reuse} && !$once);
    $? = $child;
    return;
}

# Loads what the script itself would load first thing. To understand that takes as long as all the rest of
# the library, so it is begun only if a line without indent says `require`, and none before it does what
# ends the search at once. Returns why the script must be cold, if that is so.
sub _load_early {
    return if defined Proc::Prefork::Interp::Watch::reason($watch);
    my $script = $handover->{program} =~ m{^/} ? $handover->{program} : "$handover->{directory}/$handover->{program}";
    open my $file, '<:raw', $script or return;
    my $text = do { local $/; readline $file };
    my ($before) = $text =~ /\A(.*?)^(?:[^\s#=][^\n]*[;}]\s*)?require\b(?!\s*v?\d)/ms or return;
    return if $before =~ /^(?:&|(?:print|if|unless|while|until|for|foreach|eval|die|exit|open|chdir|select|local)\b|[\w\$].*->[a-z]|.*\bnew\s)/m;
    {
        local @INC = ($lib);
        require Proc::Prefork::Interp::Early;
    }
    return Proc::Prefork::Interp::Early::load($text, $handover, \%before, $watch);
}

# What setup has done to its environment: name => value, or undef for one that is gone.
sub _changes {
    my %changes;
    for my $name (keys %before, keys %ENV) {
        my ($old, $new) = ($before{$name}, $ENV{$name});
        next if defined $old && defined $new && $old eq $new;
        $changes{$name} = $new;
    }
    return \%changes;
}

sub _hide_modules {
    for my $name (grep { m{^Proc/Prefork/Interp/} } keys %INC) {
        delete $INC{$name} if index($INC{$name} // '', "$lib/Proc/Prefork/Interp") == 0;
    }
    return;
}

1;
