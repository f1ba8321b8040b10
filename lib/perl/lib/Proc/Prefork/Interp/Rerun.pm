package Proc::Prefork::Interp::Rerun;

# A script that knows nothing of this is run again and again in one process: `reuse on`.
#
#   perl runs the script ─▶ END blocks ─▶ again: what the request has left is taken away; 0, 1 and 2 are let go;
#                              ▲            the script is compiled anew ─▶ detour ─▶ _run: status, next request ─┐
#                              └──────────── the program, as perl would run it ◀─────────────────────────────────┘
#
# All requests but the first run while perl is in its last phase, where it calls one END block after the other until
# there is none. So the END blocks of each are called by perl itself, and `exit` is perl's own. The program is compiled as
# an END block, too: `shift` means @ARGV there, and named subs share its lexicals, which are new in each run.
#
# But perl calls END blocks in an eval of its own: `die` would find $^S set. So an END block of ours dies with
# an object. Outside that eval perl asks what the text of the error is, and the answer is to run the program. An `exit`
# or an error in it then leaves all that, and perl goes on with the next END block.
#
# In doubt the process ends as an executor of one request does. See docs/protocol.md, "Persistent executors".

# Here and above all else, so that the text inherits no strictures, features or variables.
sub _compile {
    package main;
    return eval $_[0];
}

use 5.020;    # brings strict, and loads no file that the script would see in %INC

use Proc::Prefork::Interp::Persistent;
use Proc::Prefork::Interp::Restore;

# What CGI remembers of a request.
my @CGIS = qw(Q BEEN_THERE QUERY_CHARSET QUERY_PARAM QUERY_FIELDNAMES QUERY_TMPFILES DTD_PUBLIC_IDENTIFIER XHTML NPH TABINDEX
    LIST_CONTEXT_WARN POST_MAX DISABLE_UPLOADS);

my $script;     # what has to be known to run it again; undef if that cannot be
my $next;       # the request that comes: the process as Persistent knows it, the status of the last one, code

# prepare($handover, $environment, $changes) is called at the fork point. $environment refers to what was in %ENV
# when setup began, $changes to what setup has changed in it. Returns why the script cannot be run again, or nothing.
sub prepare {
    my ($handover, $environment, $changes) = @_;
    my $path = $handover->{program} =~ m{^/} ? $handover->{program} : "$handover->{directory}/$handover->{program}";
    open my $file, '<:raw', $path or return "$path cannot be read: $!";
    my $text = do { local $/; readline $file };
    my @packages = ('main', grep { $_ ne 'main' } _packages($text));
    my $reason = _why_not($handover, $text) // Proc::Prefork::Interp::Restore::why_not(@packages);
    return $reason if defined $reason;
    my ($data) = Proc::Prefork::Interp::Restore::data(@packages);
    $text = substr $text, 0, $data->[1] if $data;
    return 'its DATA is not where it should be'
        if $data ? $text !~ s/\b__(?:END|DATA)__\b[^\n]*\n?\z// : $text =~ /^[^#\n]*?\b__(?:END|DATA)__\s*$/m;
    require B;    # the one way to the list of END blocks
    $script = {
        path        => $path,
        data        => $data,
        environment => {%$environment},
        changes     => $changes,
        start       => $handover->{directory},
        files       => {%INC},
        late_cgi    => !exists $INC{'CGI.pm'},
        user        => "$< $> $( $)",
        ends        => [ _foreign_ends() ],
        # Line 1 is the script's. Its text may end within POD, and then `=pod` means nothing; or outside.
        text => "END {\n#line 1 \"$0\"\n$text\n;\n\n=pod\n\n=cut\n\n;CORE::exit(0)}\n1",
    };
    my %others = exists $INC{'CGI.pm'} ? (CGI => [@CGIS]) : ();
    my %own    = map { $_ => 1 } @packages;
    while ($text =~ /[\$\@%]\{?((?:\w+::)*\w+)::(\w+)\b(?!::)/g) {
        push @{ $others{$1} }, $2 unless $own{$1} || $1 eq 'CORE';
    }
    Proc::Prefork::Interp::Restore::note(\@packages, \%others);
    return;
}

# The packages that the script says are its own.
sub _packages {
    my ($text) = @_;
    my %found = map { s/'/::/gr => 1 } $text =~ /\bpackage\s+(\w+(?:(?:::|')\w+)*)/g;
    return sort keys %found;
}

# Perl has read the script in another way than its text says, or does more with it than to run it.
sub _why_not {
    my ($handover, $text) = @_;
    return 'perl has changed what its name is'   if $0 ne $handover->{program} || $0 =~ /["\n]/;
    return 'it runs under -T'                    if ${^TAINT};
    return 'it runs in the debugger'             if $^P;
    return 'it has threads'                      if $INC{'threads.pm'};
    return 'its text goes through a filter'      if $INC{'Filter/Util/Call.pm'};
    return 'SelfLoader reads its text'           if $INC{'SelfLoader.pm'};
    return 'its text is not plain'               if $text =~ /\A(?:\xef\xbb\xbf|\xfe\xff|\xff\xfe)|[\0\x04\x1a]|\r\n/;
    return 'it has a CHECK or an INIT block'     if $text =~ /^[^#\n]*?\b(?:CHECK|INIT)\s*\{/m;
    my ($first) = $text =~ /\A#![^\n]*?perl[^\s]*[ \t]+(-[^\n]*)/;
    open my $line, '<', '/proc/self/cmdline' or return 'its switches are not known';
    my (undef, @words) = split /\0/, do { local $/; readline $line };
    my @switches = split ' ', $first // '';
    while (@words && $words[0] ne $0) {
        push @switches, shift @words;
        shift @words if $switches[-1] eq '-I';
    }
    for my $switch (@switches) {
        return "it has the switch $switch" if $switch !~ /^-(?:[wWXU]*|C\w*|[IMm].*)$/;
    }
    return;
}

# The END blocks of modules, which are called after each request. The script's own are compiled anew, and ours is the last.
sub _foreign_ends {
    my $list = B::end_av();
    return grep {
        my $code = B::svref_2object($_);
        $code->FILE ne $0 && index($code->STASH->NAME, 'Proc::Prefork::Interp::') != 0
    } map { $_->object_2svref } $list->ARRAY;
}

# again() is called in the last END block. It returns if this process must not be used again; else perl
# runs the program with the next request, and calls the END blocks again.
sub again {
    return unless $script;
    my $own = Proc::Prefork::Interp::Persistent::in_turn() or return;
    my $status = $?;
    Proc::Prefork::Interp::Signals::set_aside();
    my $sound = eval { _clear() } && Proc::Prefork::Interp::Persistent::let_go($own);
    $? = $status;
    return unless $sound;
    $status &= 255;
    my $code = eval { _begin_anew($own) } or Proc::Prefork::Interp::Syscall::leave($status);
    $next = [$own, $status, $code];
    die bless [], 'Proc::Prefork::Interp::Rerun::Detour';
}

# Takes away what the request has left. Returns false if that cannot be.
sub _clear {
    local ($., $!);
    Proc::Prefork::Interp::Ending::flush() or return '';    # perl does that before it destroys objects
    return '' if "$< $> $( $)" ne $script->{user};
    for my $name (grep { !exists $script->{files}{$_} } keys %INC) {
        if ($name =~ /\.pm\z/) {
            return '' if _has_end($INC{$name});
            $script->{files}{$name} = 1;
        }
        else {
            delete $INC{$name};    # it has defined things for this request: the next one loads it again
        }
    }
    CGI::initialize_globals() if $script->{late_cgi} && defined &CGI::initialize_globals;
    Proc::Prefork::Interp::Restore::clear();
    return waitpid(-1, 1) == -1;    # WNOHANG; -1: there is no child
}

# Has a module, which was loaded in the request, an END block? Perl has called it and forgotten it.
sub _has_end {
    my ($path) = @_;
    return '' if !defined $path || ref $path;
    open my $file, '<:raw', $path or return 1;
    my $text = do { local $/; readline $file };
    return $text =~ /^[^#\n]*?\bEND\s*\{/m;
}

# Compiles the script, as setup has. Returns the program.
sub _begin_anew {
    my ($own) = @_;
    my $ends = B::end_av()->object_2svref;
    unshift @$ends, @{ $script->{ends} }, \&Proc::Prefork::Interp::Loaded::finish;
    Proc::Prefork::Interp::Restore::clear_input();
    %ENV = %{ $script->{environment} };
    chdir $script->{start} or return;
    *CORE::GLOBAL::caller = \&_caller unless defined &CORE::GLOBAL::caller;
    my $silence = sub { };    # perl has said all in setup, and would say more of what is defined again
    $SIG{__WARN__} = $silence;
    _compile($script->{text}) or return;
    delete $SIG{__WARN__} if $SIG{__WARN__} == $silence;
    my $code = (B::end_av()->ARRAY)[0]->object_2svref;
    shift @$ends;
    my $signals = Proc::Prefork::Interp::Signals::set_aside();
    my $before  = $own->{prepared}{signals};
    $own->{prepared}{signals} = {
        handlers => { %{ $before->{handlers} }, %{ $signals->{handlers} } },
        alarm    => $signals->{alarm} || $before->{alarm},
    };
    umask $own->{mask};
    chdir $own->{directory} or return;
    Proc::Prefork::Interp::Restore::after_compilation() or return;
    Proc::Prefork::Interp::Restore::open_data($script->{data}, $script->{path}) or return;
    Proc::Prefork::Interp::Restore::forget_lines();
    return $code;
}

# What perl calls for the text of the error. The program takes the place of this sub; it has no caller that
# could be seen.
sub _run {
    my ($own, $status, $code) = @$next;
    undef $next;
    my @request = Proc::Prefork::Interp::Persistent::park($own, $status << 8)
        or Proc::Prefork::Interp::Syscall::leave(0);
    Proc::Prefork::Interp::Signals::restore($own->{prepared}{signals});
    Proc::Prefork::Interp::Executor::replace_request(@request, $script->{changes});
    srand;
    @_ = ();
    ($@, $!, $?) = ('', 0, 0);
    goto &$code;
}

# In the place of caller, for what is compiled from now on: the program is the outermost, and has none.
sub _caller {
    my $level = $_[0] // 0;
    my @frame;
    if ((CORE::caller)[0] eq 'DB') {    # perl sets @DB::args for this package
        package DB;
        @frame = CORE::caller($level + 1);
    }
    else {
        @frame = CORE::caller($level + 1);
    }
    return if !@frame || $frame[3] eq 'main::END' && !CORE::caller($level + 2);
    return @_ ? @frame : wantarray ? @frame[0 .. 2] : $frame[0];
}

# What overload.pm would do.
package Proc::Prefork::Interp::Rerun::Detour;

BEGIN {
    BEGIN { $^H &= ~0x2 }    # no strict 'refs', without strict.pm
    *{ __PACKAGE__ . '::((' } = *{ __PACKAGE__ . '::()' } = sub { };
    ${ __PACKAGE__ . '::()' } = 1;
    *{ __PACKAGE__ . '::(""' } = \&Proc::Prefork::Interp::Rerun::_run;
}

1;
