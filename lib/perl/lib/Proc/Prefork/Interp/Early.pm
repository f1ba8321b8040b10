package Proc::Prefork::Interp::Early;

# Many scripts load their libraries not with `use` but at run time:
#
#   $ENV{APP} = '/srv/app';
#   my $lib = '/srv/app/lib';
#   require "$lib/app.pl";           # in each request, though always the same
#   main();
#
# With an automatic fork point, which is before the first statement, such a script would gain
# nothing. So the statements that it begins with are read as text. As long as Statements.pm understands
# them, the files are loaded in setup; what the statements assign is in force meanwhile, and is put
# back. The executor runs the script from its beginning, unchanged, and finds the files
# loaded: a second `require` does nothing.
#
# The first statement of another kind ends that, and so does a file that is not harmless: see Harmless.pm.
# Should a file do what is not foreseen (die, look at the request, open a socket, assign what the script
# has assigned before), then setup begins anew by exec, with a word in the handover that says how many
# files are to be loaded so: early=0 is none.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

use Proc::Prefork::Interp::Statements;
use Proc::Prefork::Interp::Harmless;
use Proc::Prefork::Interp::Watch;

our $wanted;      # the name of the file that is loaded

my %in_force;     # variable => [what it was before, what it was given]
my @folders;      # what was done to @INC: [push or unshift, folders]

# load($text, $handover, $environment, $watch) loads what the script with this text begins with;
# $environment refers to what was in %ENV when setup began. Returns nothing, or why the script
# must be cold.
sub load {
    my ($text, $handover, $environment, $watch) = @_;
    my $limit = $handover->{early} // 1000;
    return if !$limit || !_as_read($text, $handover->{program});
    my $command = _command();
    my $before  = _descriptors();
    my $script  = Proc::Prefork::Interp::Statements::new($text);
    my ($approved, $loaded, $wrong) = ({}, 0);
    while (!defined $wrong) {
        my ($line, $deed, $name, @values) = Proc::Prefork::Interp::Statements::next($script);
        last if $deed eq 'else';
        _assign($name, @values)      if $deed eq 'assign';
        _assign($_) for                 $deed eq 'delete' ? ($name, @values) : ();
        _add_folders($name, @values) if $deed eq 'folders';
        next if $deed ne 'load' || exists $INC{$name};
        last if $loaded >= $limit;
        my $path = Proc::Prefork::Interp::Harmless::find($name) // last;
        Proc::Prefork::Interp::Harmless::file($path, $name, $approved) or last;
        $wrong = _require($name, $line) // Proc::Prefork::Interp::Watch::reason($watch) // _surprise($before, $approved);
        $loaded++ unless defined $wrong;
    }
    _put_back();
    return unless defined $wrong;
    Proc::Prefork::Interp::Watch::end($watch);
    return "$wrong, and setup cannot begin anew: " . _begin_anew($handover, $environment, $command, $loaded);
}

# Is the text what perl has compiled, and perl's own `require` what the script will call?
sub _as_read {
    my ($text, $script) = @_;
    return if $0 ne $script || $0 =~ /["\n]/;
    return if exists $INC{'Filter/Util/Call.pm'} || defined &CORE::GLOBAL::require;
    return $text !~ /^\s*INIT\s*\{/m;
}

# What a variable holds, and giving it something else. Its name is that of a package variable, with its sign,
# or "ENV" and a name.
sub _get {
    my ($name) = @_;
    my ($sign, $symbol) = $name =~ /^(ENV |.)(.*)$/;
    return exists $ENV{$symbol} ? $ENV{$symbol} : () if $sign eq 'ENV ';
    $symbol = "main::$symbol" unless $symbol =~ /::/;
    BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
    return $sign eq '$' ? ${$symbol} : $sign eq '@' ? @{$symbol} : map { $_ => ${$symbol}{$_} } sort keys %{$symbol};
}

sub _set {
    my ($name, @values) = @_;
    my ($sign, $symbol) = $name =~ /^(ENV |.)(.*)$/;
    if ($sign eq 'ENV ') {
        @values ? ($ENV{$symbol} = $values[0]) : delete $ENV{$symbol};
        return;
    }
    $symbol = "main::$symbol" unless $symbol =~ /::/;
    BEGIN { $^H &= ~0x2 }
    $sign eq '$' ? (${$symbol} = $values[0]) : $sign eq '@' ? (@{$symbol} = @values) : (%{$symbol} = @values);
    return;
}

sub _assign {
    my ($name, @values) = @_;
    $in_force{$name} //= [[_get($name)]];
    _set($name, @values);
    $in_force{$name}[1] = [_get($name)];
    return;
}

sub _add_folders {
    my ($how, @more) = @_;
    push @folders, [$how, @more];
    @INC = $how eq 'push' ? (@INC, @more) : (@more, @INC);
    return;
}

# @INC with the script's folders.
sub _with_folders {
    my @list = @_;
    for (@folders) {
        my ($how, @more) = @$_;
        @list = $how eq 'push' ? (@list, @more) : (@more, @list);
    }
    return @list;
}

# @INC without them, and with what a file has added; nothing if both orders are not the same.
sub _without_folders {
    my @list = @INC;
    for (reverse @folders) {
        my ($how, @more) = @$_;
        my @places = grep { my $i = $_; grep { $_ eq $list[$i] } @more } 0 .. $#list;
        return if @places < @more;
        splice @list, $_, 1 for reverse $how eq 'push' ? @places[@places - @more .. $#places] : @places[0 .. $#more];
    }
    return "@{[_with_folders(@list)]}" eq "@INC" ? \@list : undef;
}

# Loads a file as the script does in that line. What it makes of the hook for die stays; until then nothing
# of the script's happens, since an error is not the script's yet. Returns what is wrong, or nothing.
sub _require {
    my ($file, $line) = @_;
    local $@;
    $wanted = $file;
    my $hook = delete $SIG{__DIE__};
    my $done = eval qq{package main;\n#line $line "$0"\nrequire \$Proc::Prefork::Interp::Early::wanted;\n1};
    $SIG{__DIE__} = $hook if $hook && !$SIG{__DIE__};
    return $done ? undef : "$file cannot be loaded";
}

# What a file has done to the process that executors must not share, or to what the script has assigned.
sub _surprise {
    my ($before, $approved) = @_;
    local $?;
    my $now = _descriptors();
    for my $number (grep { $now->{$_} ne ($before->{$_} // '') } keys %$now) {
        my $mode = (lstat "/proc/self/fd/$number")[2];
        return 'a file has opened more than files to read' if $mode & 0200 || !-f "/proc/self/fd/$number";
    }
    return 'a file has started a thread or a process' if (stat '/proc/self/task')[3] != 3 || waitpid(-1, 1) != -1;
    for my $name (keys %in_force) {
        my @now = _get($name);
        return "a file has assigned $name, too" if _text(@now) ne _text(@{ $in_force{$name}[1] });
    }
    my $looked_at = \%Proc::Prefork::Interp::Statements::looked_at;
    for my $name (grep { !$in_force{$_} } keys %$looked_at) {
        return "a file has assigned $name, too" if _text(_get($name)) ne _text(@{ $looked_at->{$name} });
    }
    return 'a file has changed @INC, too' if @folders && !_without_folders();
    return 'a filter is used' if exists $INC{'Filter/Util/Call.pm'};
    for my $path (keys %$approved) {
        my $name = $approved->{$path};
        return "$name is another file" if ($INC{$name} // $path) ne $path;
    }
    return;
}

sub _text {
    return join "\0", map { $_ // "\1" } @_;
}

# Where the open descriptors lead, by number.
sub _descriptors {
    opendir my $folder, '/proc/self/fd' or return {};
    my @numbers = readdir $folder;
    closedir $folder;
    return { map { my $place = readlink "/proc/self/fd/$_"; defined $place ? ($_ => $place) : () } @numbers };
}

sub _put_back {
    @INC = @{ _without_folders() // [] } if @folders;
    _set($_, @{ $in_force{$_}[0] }) for keys %in_force;
    (%in_force, @folders) = ();
    return;
}

# The words that have started this process.
sub _command {
    open my $file, '<:raw', '/proc/self/cmdline' or return [];
    local $/;
    return [split /\0/, readline $file];
}

# Starts setup as the launcher has started it, but for the word that says how many files may be loaded early.
# Returns why that fails.
sub _begin_anew {
    my ($handover, $environment, $command, $loaded) = @_;
    %ENV = (%$environment, PREFORK_INTERP => "$handover->{text} early=$loaded");
    $ENV{PREFORK_INTERP_TEST_TRANSPORT} = $handover->{transport} if defined $handover->{transport};
    alarm 0;
    $SIG{$_} = 'DEFAULT' for grep { ($SIG{$_} // '') eq 'IGNORE' } keys %SIG;
    fcntl $handover->{$_}, 2, 0 for qw(listen call watchi watche);    # F_SETFD: not close-on-exec
    chdir $handover->{directory};
    exec { '/proc/self/exe' } @$command or return "$!";
}

1;
