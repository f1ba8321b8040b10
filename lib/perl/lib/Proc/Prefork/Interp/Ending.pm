package Proc::Prefork::Interp::Ending;

# How an executor ends. perl takes a process apart object by object, which touches, and so copies, most
# of the memory that it shares with the server. Where nobody would notice the difference an executor
# leaves out that work: it flushes, closes what the client reads from, and is gone.
#
#   server     fork, then: learn ── fork ──▶ scout: what would perl's own end do?  See Scout.pm
#   executor   script, END blocks, report ─▶ quick ─┬▶ flush, close 1, 2, 0, leave
#                                                   └▶ in doubt: returns to perl's own end
#   server     remember ◀── inbox ── which methods an executor has looked for
#
# What perl's own end does beyond that: it calls DESTROY for objects that are still there, waits for children
# behind pipes, and gives C code of modules a chance. An object holds a reference to its class,
# which is the table of the names in its package; so one number for each class tells
# whether there are more objects of it than at the fork point, and another whether it has got new names.
# Most of these are methods that perl has looked for: it notes in the package what it has found. The server
# looks for them, too, when it is told, so later executors find the note.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

sub PATIENCE () { 20 }                # a class with new names after so many answers gets some in each request
sub MANY ()     { 1000 }              # classes: more would take longer than perl's own end

# Modules with C code whose own end is memory and no more: perl's, and one that CGI loads when it is asked
# to escape HTML.
my %HARMLESS = map { $_ => 1 } qw(
    attributes Cwd Data::Dumper Digest::MD5 Digest::SHA Encode Encode::Unicode Fcntl File::Glob HTML::Parser Hash::Util
    IO List::Util MIME::Base64 POSIX PerlIO::encoding PerlIO::scalar Socket Storable Sys::Hostname Sys::Syslog
    Time::HiRes Time::Piece Unicode::Normalize mro re
);

my ($folder) = __FILE__ =~ m{^(.*)/Ending\.pm$}s;
my $can      = $Proc::Prefork::Interp::Native::can;
my $calls = 0;                        # of learn
my ($scout, $answers);                # while it is under way: the process, and what it says
my @tables;                           # of all packages; empty: no quick end
my (@classes, @names, @references);   # of each: its name, how many names are in it, how many references to it
my %class;                            # name => 1
my %destructor;                       # address of each DESTROY and AUTOLOAD => does it do nothing?
my %told;                             # class => how often the server has heard of it
my %sought;                           # Class::method => 1: packages have new names because of these
my $libraries;                        # how many shared objects perl has loaded

# flush() writes what all handles of this process still hold. perl does that before it replaces itself by
# another program; there is none with an empty name, so nothing else happens. Returns false
# where -T forbids even that.
sub flush {
    local ($!, $^W);
    if (!${^TAINT}) {
        { exec {''} '' }
        return 1;
    }
    local ($@, $SIG{__DIE__});
    local @ENV{qw(PATH IFS CDPATH ENV BASH_ENV)};
    return eval { { exec {''} '' } 1 };
}

# Writes what STDOUT still holds. Returns why it cannot.
sub _flush_stdout {
    my $selected = select STDOUT;
    $! = 0;
    $| = 0;
    $| = 1;    # writes
    my $error = "$!";
    select $selected;
    return $error;
}

# is_clean($flags, @handles) tells whether none of these flags is set in a layer of the handles.
sub is_clean {
    my ($flags, @handles) = @_;
    my @layers = map { PerlIO::get_layers($_, details => 1) } @handles;
    for (my $i = 2; $i < @layers; $i += 3) {    # name, argument, flags
        return '' if $layers[$i] & $flags;
    }
    return 1;
}

# learn() finds out, once in the server, what later executors have to look at. It is called before each deed of
# the server, from the end of the first request on: the first call sends the scout; nobody waits for the
# milliseconds that it takes, and a later call hears it. Without an answer there is no quick end. Returns whether
# there is more to find out.
sub learn {
    return '' if $] < 5.026;    # before that a hash does not tell how many names it has
    return _send_scout() if !$calls++;
    return '' unless $scout;
    return 1 unless waitpid $scout, 1;    # WNOHANG
    my ($answers, $status) = ($answers, $?);
    forget();
    return '' if $status;
    local ($/, $_) = ("\n");
    my (@harmless, %living);
    while (readline $answers) {
        my ($what, $name) = /^(harmless|living) (.+)$/ or next;
        $what eq 'living' ? $living{$name}++ : push @harmless, $name;
    }
    _note(\%living, @harmless);
    return '';
}

# begin_anew() forgets what was found out, because the server has loaded more.
sub begin_anew {
    kill KILL => $scout and waitpid $scout, 0 if $scout;
    forget();
    $calls = 0;
    (@tables, @classes, %class, %destructor, %told) = ();
    return;
}

sub _send_scout {
    pipe $answers, my $scouts_end or return '';
    $scout = fork // return '';
    return 1 if $scout;
    eval { require "$folder/Scout.pm"; Proc::Prefork::Interp::Scout::run($scouts_end) };
    Proc::Prefork::Interp::Syscall::leave(1);
}

# forget() is for an executor, which has nothing to do with a scout that is under way.
sub forget {
    undef $_ for $scout ? ($answers, $scout) : ();
    return;
}

# Notes what is compared at the end. Objects that live already at the fork point are not counted: if one of
# them lives still there are more than noted.
sub _note {
    my ($living, @harmless) = @_;
    BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
    $libraries = @DynaLoader::dl_librefs;
    @classes   = map { $_->[0] } tables();
    @tables    = map { $_->[1] } tables();
    %class     = map { $_ => 1 } @classes;
    for my $code (grep { defined &$_ } map { ("${_}::DESTROY", "${_}::AUTOLOAD") } @classes) {
        $destructor{ \&$code + 0 } = '';
    }
    $destructor{ \&{"${_}::DESTROY"} + 0 } = 1 for @harmless;
    @names      = map { scalar %$_ } @tables;
    @references = map { &Internals::SvREFCNT($tables[$_]) - ($living->{ $classes[$_] } // 0) } 0 .. $#tables;
    return;
}

# tables() returns all packages, each as [name, its table].
sub tables {
    my @found = (['main', \%main::]);
    my %seen  = ($found[0][1] + 0 => 1);
    for (my $i = 0; $i < @found; $i++) {
        my ($name, $table) = @{ $found[$i] };
        for my $child (_children($name, $table)) {
            push @found, $child unless $seen{ $child->[1] + 0 }++;
        }
    }
    return @found;
}

# One name after the other: a list of all would take memory that is new to the process.
sub _children {
    my ($name, $table) = @_;
    my $prefix = $name eq 'main' ? '' : "${name}::";
    my @found;
    keys %$table;    # begins anew
    while (defined(my $key = each %$table)) {
        next if substr($key, -2) ne '::';
        my $entry = \$table->{$key};
        push @found, [$prefix . substr($key, 0, -2), *$entry{HASH}]
            if ref $entry eq 'GLOB' && *$entry{HASH};
    }
    return @found;
}

# unknown_libraries($from) returns the indices of shared objects, from that one on, that are not harmless by
# their name.
sub unknown_libraries {
    my ($from) = @_;
    return grep { !$HARMLESS{ $DynaLoader::dl_modules[$_] } } $from .. $#DynaLoader::dl_librefs;
}

# quick() ends this process, with the status that perl would give it, if it is sure that nobody can tell.
# It is called after all END blocks.
sub quick {
    return if !@tables || _is_something_left();
    my $status = $? & 255;
    if (my $error = _flush_stdout()) {       # perl has a message and a status for that
        Proc::Prefork::Interp::Executor::complain("Unable to flush stdout: $error\n");
        $status ||= 1;
    }
    flush() or return;
    Proc::Prefork::Interp::Loaded::post(keys %sought) if %sought;
    Proc::Prefork::Interp::Syscall::whole(1);
    Proc::Prefork::Interp::Syscall::release(1, 2, 0);
    Proc::Prefork::Interp::Syscall::leave($status);
}

sub _is_something_left {
    local ($?, $!);
    return 1 if waitpid(-1, 1) != -1;        # WNOHANG; -1: there is no child
    return 1 if $#DynaLoader::dl_librefs >= $libraries && unknown_libraries($libraries);
    for my $i (0 .. $#tables) {    # a table in another variable would be one reference more
        my $more = &Internals::SvREFCNT($tables[$i]) > $references[$i];
        my $news = %{ $tables[$i] } != $names[$i];
        next if !$more && !$news;
        return 1 if $more && _is_destroyed($classes[$i]);
        next unless $news;
        return 1 if _is_news($classes[$i], $tables[$i]);
        _seek($classes[$i], $tables[$i]) if $classes[$i] ne 'main' && ($told{ $classes[$i] } // 0) < PATIENCE;
    }
    return '';
}

# Does perl call something for an object of this class?
sub _is_destroyed {
    my ($class) = @_;
    my $destructor = $can->($class, 'DESTROY') // $can->($class, 'AUTOLOAD');
    return $destructor && !$destructor{ $destructor + 0 };
}

# Is there a new destructor in this package, or in a new one in it?
sub _is_news {
    my ($name, $table) = @_;
    BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
    for my $code (grep { defined &$_ } map { "${name}::$_" } qw(DESTROY AUTOLOAD)) {
        return 1 unless exists $destructor{ \&$code + 0 };
    }
    for my $child (_children($name, $table)) {
        my ($class, $its_table) = @$child;
        next if $class{$class}++;
        return 1 if _is_destroyed($class) || _is_news($class, $its_table);
    }
    return '';
}

# Collects the methods that a package has a note of: those that it inherits, and its missing AUTOLOAD.
sub _seek {
    my ($class, $table) = @_;
    BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
    for my $name (grep { /^[A-Za-z_]\w*\z/ && !defined &{"${class}::$_"} } keys %$table) {
        $sought{"${class}::$name"} = 1 if $name eq 'AUTOLOAD' || $can->($class, $name);
    }
    return;
}

# remember(@methods) looks for them in the server, and notes how many names their packages have now.
sub remember {
    my %changed;
    for my $method (@_) {
        my ($class, $name) = $method =~ /^(.+)::(\w+)$/ or next;
        $can->($class, $name) if $class{$class};
        $changed{$class} = 1;
    }
    for my $i (grep { $changed{ $classes[$_] } } 0 .. $#classes) {
        $names[$i] = %{ $tables[$i] };
        $told{ $classes[$i] }++;
    }
    return;
}

1;
