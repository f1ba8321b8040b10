package Proc::Prefork::Interp::Learning;

# Modules that executors load late, with `require` in the middle of a request, each of them the same ones again. The
# server learns which these are and loads them itself, once, so that later executors find them loaded.
#
#   executor   at its end: news, the modules it has loaded ── inbox ──▶ server
#   server     hear: two executors have loaded the same one ── fork ──▶ trial: would anybody notice?  See Trial.pm
#              step: loads those that have passed ── fork ──▶ executors that have them
#
# A module must not be older in the server than its file is. So it is learned only if its file has not changed since
# the server began, and when the launcher has taken up that it is to be watched. In doubt it is not learned:
# the executors go on to load it.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

sub EXECUTORS () { 2 }           # that must have loaded a module
sub MARGIN ()    { 5 }           # seconds: the launcher has started the server before perl began, and some clocks of files are coarse
sub MOST ()      { 3000 }        # files: of many more the launcher watches some only
sub TIOCOUTQ ()  { 0x5411 }

my ($folder) = __FILE__ =~ m{^(.*)/Learning\.pm$}s;
my $environment;                 # of setup; undef: nothing is learned
my $began;                       # when perl was started
my %settled;                     # name in %INC => 1: loaded at the fork point, learned, or not to be
my %heard;                       # name in %INC => path => how many executors have loaded it
my ($trial, $answers, @tried);   # while it is under way: the process, what it says, names
my @passed;                      # names that the server may load
my $idle = 1;                    # is there nothing to do until executors are heard?

# begin($server) begins to learn. Under -T nobody can tell what a module looks at.
sub begin {
    my ($server) = @_;
    return if ${^TAINT} || !Proc::Prefork::Interp::Loaded::with_modules();
    ($environment, $began) = @$server{qw(environment began)};
    $settled{$_} = 1 for keys %INC;
    return;
}

# news() returns in an executor what is to be told to the server: a string for each module that it does not know.
sub news {
    return if !$environment;
    return map { "load $_ $INC{$_}" }
        grep { !$settled{$_} && m{^[A-Za-z_]\w*(?:/\w+)*\.pm$} && ($INC{$_} // '') =~ m{^/} } keys %INC;
}

# hear(@strings) takes what news has returned.
sub hear {
    for my $string (@_) {
        my (undef, $name, $path) = split / /, $string, 3;
        next if $settled{$name};
        $heard{$name}{$path}++;
        undef $idle;
    }
    return;
}

# step($server) is called in the server when it has forked an executor, so nobody waits for that. It does one thing at a
# time: who waits for the next waits for no more than one module to be loaded. Returns whether all that was to be
# loaded is, and others have to find out anew what they know of the server.
sub step {
    my ($server) = @_;
    _listen() if $trial;
    return '' if $trial;
    return _load_some($server) if @passed;
    my @names = grep { _is_wanted($_) } sort keys %heard;
    $idle = !@names;
    return '' if $idle;
    _send_trial($server, @names) if _is_told($server->{ctl}{socket});
    return '';
}

# is_idle() tells whether step has nothing to do until the next executor is heard.
sub is_idle {
    return $idle;
}

# is_sound($name, $path) tells whether a module is one that executors have loaded from there, and that the server's
# own search for it finds, older than the server.
sub is_sound {
    my ($name, $path) = @_;
    return '' unless ($heard{$name}{$path} // 0) >= EXECUTORS;
    my ($found) = grep { -e } map { ref ? '/' : "$_/$name" } @INC;    # a hook in @INC may find anything
    return '' if ($found // '') ne $path;
    my ($modified, $changed) = (stat $path)[9, 10];
    return $modified < $began - MARGIN && $changed < $began - MARGIN;
}

# forget() is for an executor, which has nothing to do with a trial that is under way.
sub forget {
    undef $_ for $answers, $trial;
    return;
}

# A module that is not sound once will not become so.
sub _is_wanted {
    my ($name) = @_;
    my @paths = keys %{ $heard{$name} };
    return '' if @paths == 1 && $heard{$name}{ $paths[0] } < EXECUTORS;
    return 1 if @paths == 1 && is_sound($name, $paths[0]);
    _settle($name);
    return '';
}

sub _settle {
    my ($name) = @_;
    $settled{$name} = 1;
    delete $heard{$name};
    return;
}

# Has the launcher read all that was sent? It has taken up a file before it reads what was sent after that, and the end
# of an executor is told after its files.
sub _is_told {
    my ($ctl) = @_;
    my $unread = pack 'i', -1;
    open my $handle, '+<&', $ctl or return '';
    return ioctl($handle, TIOCOUTQ, $unread) && !unpack('i', $unread) && Proc::Prefork::Interp::Loaded::sent() < MOST;
}

sub _is_asked {
    my ($server) = @_;
    vec(my $which = '', $server->{ctl}{socket}, 1) = 1;
    return $server->{ctl}{unread} ne '' || select $which, undef, undef, 0;
}

sub _send_trial {
    my $server = shift;
    @tried = @_;
    pipe $answers, my $trials_end or return;
    $trial = fork // return;
    return if $trial;
    close $answers;
    Proc::Prefork::Interp::Syscall::release($server->{ctl}{socket}, $server->{inbox});
    eval {
        for my $part (qw(Watch Trial)) {
            require "$folder/$part.pm" unless defined &{"Proc::Prefork::Interp::${part}::start"};
        }
        %ENV = %$environment;
        Proc::Prefork::Interp::Trial::run($trials_end, @tried);
    };
    Proc::Prefork::Interp::Syscall::leave(1);
}

# Hears the trial, if it is over. The first module that has not passed is not tried again; those behind it are.
sub _listen {
    return unless waitpid $trial, 1;    # WNOHANG
    my @said = do { local $/ = "\n"; readline $answers };
    forget();
    chomp @said;
    my %passed = map { $_ => 1 } @said;
    @passed = grep { $passed{$_} } @tried;
    my ($refused) = grep { !$passed{$_} } @tried;
    _settle($refused) if defined $refused;
    return;
}

# Loads modules, until somebody waits for another executor. What others have found out of the server before is not so
# any more.
sub _load_some {
    my ($server) = @_;
    do { _load(shift @passed) } while @passed && !_is_asked($server);
    Proc::Prefork::Interp::Loaded::send_new($server->{ctl}{socket});
    Proc::Prefork::Interp::Loaded::send_missed($server->{ctl}{socket});
    return '' if @passed;
    Proc::Prefork::Interp::Ending::begin_anew();
    Proc::Prefork::Interp::Pages::begin_anew();
    return 1;
}

# Loads a module as the trial has. What is loaded with it has been heard of, too.
sub _load {
    my ($name) = @_;
    local ($@, $!, $_, $?);
    %ENV = %$environment;
    eval { require $name } or delete $INC{$name};
    %ENV = ();
    _settle($_) for $name, grep { $heard{$_} } keys %INC;
    return;
}

1;
