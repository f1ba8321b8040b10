package Proc::Prefork::Interp::Loaded;

# Which files the script is made of: itself, the modules it has loaded, and what it
# has named. The launcher watches them (native), or the server does (v1).
#
#   setup      ── file, miss ──▶ launcher
#   executor   ── inbox ──▶ server ── file ──▶ launcher      at its end, what is new
#   setup that dies         ── file ──▶ launcher             from its END block
#
# This file is loaded before all of the script's, so its END block runs last.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

sub PIECE () { 4096 }     # a pipe takes so much at once, not mixed with another's

my ($lib) = __FILE__ =~ m{^(.*)/Proc/Prefork/Interp/Loaded\.pm$}s;
my %sent;                 # path => 1
my @extra;                # what the script has named
my $with_modules = 1;     # false: autoreload_inc is off
my $handover;             # the script, and where it was started
my $report;               # [process, code]: what to do at the end, and in which
my $mailbox;              # the server, and the number that its inbox has there
my $size = 0;             # how many modules and named files were there when it was set

# begin($handover) says what the launcher has said. Until the fork point, the end of
# setup is reported on ctl.
sub begin {
    ($handover) = @_;
    at_end(sub { send_new($handover->{call}) }) if $handover->{fork_point};
    return;
}

# also_check(@paths) adds files. Without arguments: returns them.
sub also_check {
    push @extra, @_;
    return @extra;
}

# with_modules() tells whether %INC counts.
sub with_modules {
    return $with_modules;
}

# without_modules() leaves out %INC from now on.
sub without_modules {
    undef $with_modules;
    return;
}

# files() returns all paths, absolute. A relative one is looked up from where the
# process is and from where it was started; both are returned if both exist.
sub files {
    my @places = ($handover->{directory}, scalar readlink '/proc/self/cwd');
    my %files;
    for my $path ($handover->{program}, @extra, $with_modules ? _modules() : ()) {
        if ($path =~ m{^/}) {
            $files{$path} = 1;
            next;
        }
        -e "$_/$path" and $files{"$_/$path"} = 1 for grep { defined } @places;
    }
    return sort keys %files;
}

# A module whose value is undef could not be compiled: where it is has to be looked up.
sub _modules {
    my @paths;
    for my $name (keys %INC) {
        my $path = $INC{$name};
        if (!defined $path) {
            ($path) = grep { -f } $name =~ m{^/} ? $name : map { "$_/$name" } grep { !ref } @INC;
        }
        next if !defined $path || ref $path || index($path, "$lib/Proc/Prefork/Interp") == 0;
        push @paths, $path;
    }
    return @paths;
}

# missed() returns where modules would have been loaded from, had there been a file: in the folders
# of @INC before the one in which it was found.
sub missed {
    my $place   = readlink '/proc/self/cwd';
    my @folders = map { ref || m{^/} ? $_ : "$place/$_" } @INC;
    my @missed;
    for my $name (grep { !m{^/} } keys %INC) {
        my $path = $INC{$name};
        next if !defined $path || ref $path || index($path, "$lib/Proc/Prefork/Interp") == 0;
        my ($found) = grep { !ref $INC[$_] && "$INC[$_]/$name" eq $path } 0 .. $#INC;
        push @missed, map { "$_/$name" } grep { !ref } @folders[0 .. $found - 1] if $found;
    }
    return @missed;
}

# fresh(@paths) returns those that were not sent yet, and takes them for sent.
sub fresh {
    return grep { length && !$sent{$_}++ } @_;
}

# send_new($ctl) reports on ctl what was not reported yet.
sub send_new {
    my ($ctl) = @_;
    my @new = fresh(files()) or return;
    Proc::Prefork::Interp::Wire::send_message($ctl, 'file',
        Proc::Prefork::Interp::Wire::strings(@new));
    return;
}

# sent() returns how many files have been reported.
sub sent {
    return scalar keys %sent;
}

# send_missed($ctl) reports on ctl what was missed.
sub send_missed {
    my ($ctl) = @_;
    Proc::Prefork::Interp::Wire::send_message($ctl, 'miss',
        Proc::Prefork::Interp::Wire::strings(missed()))
        if $with_modules;
    return;
}

# changed_since($start) returns the first file that was changed after that time, which is
# text, seconds and nine digits. A file that is gone is none. perl's own stat knows whole
# seconds; finer ones are asked for only where they decide.
sub changed_since {
    my ($start) = @_;
    my ($second) = split /\./, $start;
    for my $path (files()) {
        my $changed = (stat $path)[9];
        next if !defined $changed || $changed < $second;
        return $path if $changed > $second;
        local ($@, $SIG{__DIE__});
        eval { require Time::HiRes; $changed = (Time::HiRes::stat($path))[9] };
        return $path if $changed > $start;
    }
    return;
}

# open_inbox() returns the number of the reading end of a pipe. Called in the server. Who writes opens it through
# /proc, so that no executor holds a descriptor of ours.
sub open_inbox {
    pipe my $inbox, my $outer or die "cannot make a pipe: $!\n";
    fcntl $inbox, 4, 04000;    # F_SETFL, O_NONBLOCK
    my $number = Proc::Prefork::Interp::Syscall::keep($inbox, 3) // die "cannot keep a pipe: $!\n";
    $mailbox = [$$, $number];
    return $number;
}

# forward($inbox, $ctl, $text) passes on the files that executors have written; what is no path is for Ending, Pages or
# Learning. $text, if given, is what has been read already.
sub forward {
    my ($inbox, $ctl, $text) = @_;
    $text .= Proc::Prefork::Interp::Syscall::fetch($inbox);
    return if $text eq '';
    my @strings = split /\0/, $text;
    if (defined &Proc::Prefork::Interp::Pages::hear) {    # else nobody has anything else to tell
        Proc::Prefork::Interp::Pages::hear(grep { /^pages / } @strings);
        Proc::Prefork::Interp::Ending::remember(grep { /^\w+::/ } @strings);
        Proc::Prefork::Interp::Learning::hear(grep { /^load / } @strings);
    }
    my @new = fresh(grep { m{^/} } @strings) or return;
    Proc::Prefork::Interp::Wire::send_message($ctl, 'file',
        Proc::Prefork::Interp::Wire::strings(@new));
    return;
}

# tell() writes the files and modules that are new to the inbox of the server. Called at the end of an
# executor; whatever fails is ignored.
sub tell {
    post(fresh(files()), defined &Proc::Prefork::Interp::Learning::news ? Proc::Prefork::Interp::Learning::news() : ());
    return;
}

# post(@strings) writes to the inbox.
sub post {
    my ($server, $number) = @$mailbox;
    return if getppid != $server;              # it is gone: its number may be another's
    sysopen my $inbox, "/proc/$server/fd/$number", 1 | 04000 or return;    # O_WRONLY, O_NONBLOCK
    binmode $inbox;
    local $SIG{PIPE} = 'IGNORE';
    my $piece = '';
    for my $string (map { "$_\0" } grep { length() < PIECE } @_) {
        if (length($piece) + length $string > PIECE) {
            syswrite $inbox, $piece;
            $piece = '';
        }
        $piece .= $string;
    }
    syswrite $inbox, $piece if $piece ne '';
    return;
}

# at_end($code) has the END block of this process call it; a process that is forked
# from this one does not. Without an argument: nothing any more.
sub at_end {
    $report = @_ ? [$$, @_] : undef;
    $size   = keys(%INC) + @extra;
    return;
}

# report() does now what is to be done at the end, and notes what has been reported. In an executor that has
# loaded nothing it costs nothing.
sub report {
    return if $mailbox && keys(%INC) + @extra == $size;
    local ($?, $!, $@, $SIG{__DIE__}, $SIG{PIPE});
    $SIG{PIPE} = 'IGNORE';
    eval { $report->[1]->() };
    $size = keys(%INC) + @extra;
    return;
}

# finish() is the last that happens in an executor.
sub finish {
    return unless $report && $report->[0] == $$;
    report();
    Proc::Prefork::Interp::Pages::answer() if defined &Proc::Prefork::Interp::Pages::answer;
    Proc::Prefork::Interp::Rerun::again()  if defined &Proc::Prefork::Interp::Rerun::again;
    Proc::Prefork::Interp::Ending::quick() if defined &Proc::Prefork::Interp::Ending::quick;
    return;
}

END { finish() }

1;
