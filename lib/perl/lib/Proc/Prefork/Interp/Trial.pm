package Proc::Prefork::Interp::Trial;

# A process that the server forks to find out whether it may load modules itself, before any request, that executors
# load in the middle of one. It loads them, one after the other, and looks each time whether anything is other than
# before that a script could notice, beside the module itself. It says the names of those that have passed; at the first
# that has not it ends, since it cannot take back what it has done.
#
# A module that asks the system for anything while it is loaded (the time, a file) has not passed: each request would
# have asked anew. Of the environment it may look at what does not belong to a request.

use 5.020;

# Functions of perl's that no module may call while it is loaded.
my @ASKING = qw(accept alarm bind caller chdir chmod chown connect do exit fork getlogin getppid getpwnam getpwuid glob gmtime link
    localtime lstat mkdir open opendir pipe rand readlink readpipe rename rmdir select sleep socket socketpair srand stat symlink
    sysopen system time times truncate umask unlink utime);

# What a module must not have in its text: what perl runs at the end or before the program, the script's variables and
# standard input.
my $NOT_ALONE = qr/\b(?:END|INIT|CHECK)\s*\{|[\$\@%&*]\{?(?:main)?::\w|[\$\@]ARGV\b|\bSTDIN\b|<>/;

# Variables of perl's own that a module could set for all others.
my @GLOBALS = \($/, $\, $,, $;, $", $:, $^, $~, $=, $-, $%, $^L, $^A, $^F, $^W, $^P, $|, $0, $<, $>);

# Variables that belong to perl, and this library's.
my $OWN = qr/^(?: main::(?:\W|\d|(?:_|a|b|ENV|INC|SIG|ARGV|ARGVOUT|STDIN|STDOUT|STDERR)$)
    | DynaLoader::dl_require_symbols$ | Proc::Prefork::Interp:: )/x;

# run($answers, @names) does all that. Returns when a module has not passed.
sub run {
    my ($answers, @names) = @_;
    alarm 5;
    _forbid($_) for @ASKING;
    my $output = _catch_output();
    my $watch  = Proc::Prefork::Interp::Watch::start();
    my $before = _look($watch);
    my %loaded = %INC;
    for my $name (@names) {
        eval { require $name } or return;
        Proc::Prefork::Interp::Native::flush();
        return if sysread $output, my $byte, 1;
        my $after = _look($watch);
        return if defined Proc::Prefork::Interp::Watch::reason($watch) || !_is_unseen($before, $after);
        for my $file (grep { !$loaded{$_}++ } keys %INC) {
            return unless Proc::Prefork::Interp::Learning::is_sound($file, $INC{$file}) && _is_alone($INC{$file});
        }
        $before = $after;
        syswrite $answers, "$name\n";
    }
    return;
}

# Ends this process where a module that is compiled from now on calls the function.
sub _forbid {
    my ($name) = @_;
    my $prototype = prototype "CORE::$name";
    my $code = eval 'sub ' . (defined $prototype ? "($prototype)" : '') . '{ Proc::Prefork::Interp::Syscall::leave(2) }';
    no strict 'refs';
    no warnings;
    *{"CORE::GLOBAL::$name"} = $code;
    return;
}

# Puts the standard descriptors where nobody else is. Returns what can be read of what is written there.
sub _catch_output {
    pipe my $output, my $end or die;
    fcntl $output, 4, 04000;    # F_SETFL, O_NONBLOCK
    Proc::Prefork::Interp::Descriptors::nothing(0);
    Proc::Prefork::Interp::Syscall::replace(fileno $end, $_, 0) for 1, 2;
    return $output;
}

# What is compared: name => text, with variables by their name and sign.
sub _look {
    my ($watch) = @_;
    my $environment = $watch->{values};
    my %seen = (
        process     => join("\0", $$, umask, scalar(select), readlink '/proc/self/cwd', (stat '/proc/self/task')[3], waitpid -1, 1),
        descriptors => join("\0", map { $_, readlink "/proc/self/fd/$_" } _numbers()),
        globals     => join("\0", map { $$_ // "\1" } @GLOBALS),
        layers      => join("\0", map { PerlIO::get_layers($_) } *STDIN, *STDOUT, *STDERR),
        folders     => join("\0", @INC),
        signals     => join("\0", map { $_, $SIG{$_} // '' } sort keys %SIG),
        environment => join("\0", map { $_, $environment->{$_} } sort keys %$environment),
    );
    for my $table (Proc::Prefork::Interp::Ending::tables()) {
        my ($package, $entries) = @$table;
        _look_at(\%seen, "${package}::$_", \$entries->{$_}) for grep { !/::\z/ && "${package}::$_" !~ $OWN } keys %$entries;
    }
    return \%seen;
}

# One name of a package, which may stand for a sub alone.
sub _look_at {
    my ($seen, $name, $entry) = @_;
    if (ref $entry ne 'GLOB') {
        $seen->{"&$name"} = $$entry;
        return;
    }
    my ($scalar, $array, $hash) = map { *$entry{$_} } qw(SCALAR ARRAY HASH);
    $seen->{"&$name"} = *$entry{CODE};
    $seen->{"\$$name"} = $$scalar   unless tied $$scalar;
    $seen->{"\@$name"} = [@$array] if $array && !tied @$array;
    $seen->{"%$name"}  = {%$hash}  if $hash && !tied %$hash;
    return;
}

sub _numbers {
    opendir my $folder, '/proc/self/fd' or return;
    return grep { /\d/ } readdir $folder;
}

# Is all that was there as it was? A module may add to a list or a table that others have added to, as they do to register
# themselves, and define what has had no value as a sub or as @ISA: nobody else does that. What the script
# itself assigns before it loads a module perl knows from the text, so the variable is there, and empty.
sub _is_unseen {
    my ($before, $after) = @_;
    for my $name (keys %$before) {
        my ($was, $is) = ($before->{$name}, $after->{$name});
        my $kind = substr $name, 0, 1;
        if ($kind eq '@') {
            return '' if @$is && !@$was && $name !~ /::ISA$/ || grep { _differ($was->[$_], $is->[$_]) } 0 .. $#$was;
        }
        elsif ($kind eq '%') {
            return '' if %$is && !%$was || grep { _differ($was->{$_}, $is->{$_}) } keys %$was;
        }
        else {
            return '' if _differ($was, $is) && ($kind ne '&' || $was);
        }
    }
    return 1;
}

sub _differ {
    my ($one, $other) = @_;
    return defined $one ? !defined $other || $one ne $other : defined $other;
}

# Is all that the module is about in its own text?
sub _is_alone {
    my ($path) = @_;
    open my $file, '<:raw', $path or return '';
    local $/;
    return readline($file) !~ $NOT_ALONE;
}

1;
