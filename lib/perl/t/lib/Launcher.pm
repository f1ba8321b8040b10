package Launcher;

# Plays the launcher of the native dialect for the tests: one script, its server, and
# as many calls as a test makes.
#
#   my $launcher = Launcher->start(script => 'print "hello\n";', mode => 'automatic');
#   my $result   = $launcher->call(arguments => ['a'], environment => { X => 1 });
#   is $result->{stdout}, "hello\n";
#   is $launcher->stop, 0;
#
# Everything is waited for by end-of-file; nothing sleeps.

use strict;
use warnings;
use Cwd            ();
use Fcntl          qw(F_GETFL F_SETFL F_SETFD O_APPEND O_NONBLOCK);
use File::Basename ();
use File::Temp     ();
use IO::FDPass     ();
use POSIX          ();
use Socket         qw(AF_UNIX SOCK_STREAM PF_UNSPEC SOL_SOCKET SCM_RIGHTS);

require 'sys/syscall.ph';

our $LIB    = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../lib');
our $FOLDER = Cwd::abs_path(File::Temp::tempdir(CLEANUP => 1));
my $count = 0;

# script($text, $name) writes a file, executable, and returns its path.
sub script {
    my ($text, $name) = @_;
    my $path = "$FOLDER/" . ($name // 'script' . ++$count . '.pl');
    open my $file, '>:raw', $path or die "$path: $!";
    print $file $text;
    close $file or die "$path: $!";
    chmod 0755, $path;
    return $path;
}

# cold(%options) runs the script without a launcher. Options as for start, and as for call.
sub cold {
    my (%o) = @_;
    my $path = $o{path} // script($o{script});
    my ($in, $out, $err) = _files($o{stdin});
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        %ENV = %{ $o{environment} // {} };
        POSIX::dup2(fileno $in,  0);
        POSIX::dup2(fileno $out, 1);
        POSIX::dup2(fileno $err, 2);
        chdir $o{folder} if $o{folder};
        exec $^X, @{ $o{switches} // [] }, $path, @{ $o{arguments} // [] } or POSIX::_exit(99);
    }
    waitpid $pid, 0;
    return { status => $?, stdout => _text($out), stderr => _text($err) };
}

# start(%options) starts a server and reads until it is ready, cold or gone. Options: script (text) or
# path, mode (automatic, explicit), settings (preload=…), switches, environment, folder, arguments.
sub start {
    my ($class, %o) = @_;
    my $self = bless {
        path => $o{path} // script($o{script}), file => [], note => [], id => 0, running => {},
    }, $class;
    socketpair $self->{ctl}, my $ctl, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
    pipe $self->{log}, my $log or die "pipe: $!";
    pipe my $stdin, my $nobody or die "pipe: $!";
    close $nobody;
    socketpair my $listen, my $unused, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
    pipe my $watche, $self->{watch} or die "pipe: $!";
    pipe $self->{gone}, my $watchi or die "pipe: $!";
    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        my @given = ($listen, $ctl, $watchi, $watche);
        fcntl $_, F_SETFD, 0 for @given;
        _standard($stdin, $log);
        %ENV = (%{ $o{environment} // {} },
            PREFORK_INTERP => join ' ', 'v1,253370764800.000000000',
            join(',', map { fileno $_ } @given), 'n1,' . ($o{mode} // 'automatic'), @{ $o{settings} // [] });
        chdir $o{folder} if $o{folder};
        my @load = ($o{mode} // 'automatic') eq 'automatic' ? '-MProc::Prefork::Interp::Automatic' : ();
        exec $^X, @{ $o{switches} // [] }, '-I', $o{lib} // $LIB, @load, $self->{path}, @{ $o{arguments} // [] }
            or POSIX::_exit(99);
    }
    close $_ for $ctl, $log, $stdin, $listen, $watche, $watchi;
    $self->_read_until('ready', 'cold');
    return $self;
}

# Descriptors of setup: 1 and 2 are the same pipe, and O_APPEND is set on 1 only.
sub _standard {
    my ($stdin, $log) = @_;
    open my $again, '>', '/proc/self/fd/' . fileno $log or POSIX::_exit(98);
    fcntl $again, F_SETFL, (fcntl($again, F_GETFL, 0) | O_APPEND);
    POSIX::dup2(fileno $stdin, 0);
    POSIX::dup2(fileno $again, 1);
    POSIX::dup2(fileno $log,   2);
}

sub _files {
    my ($data) = @_;
    my ($in, $out, $err) = map { my $t = File::Temp::tempfile(DIR => $FOLDER, UNLINK => 1); binmode $t; $t } 1 .. 3;
    return (defined $data && ref $data ? $data : do { print $in $data // ''; $in->flush; seek $in, 0, 0; $in }), $out, $err;
}

sub _text {
    my ($file) = @_;
    return '' unless -f $file;
    seek $file, 0, 0;
    local $/;
    return scalar readline($file) // '';
}

sub _read {
    my ($handle, $count) = @_;
    my $data = '';
    while (length $data < $count) {
        my $got = sysread $handle, $data, $count - length $data, length $data;
        return unless $got;
    }
    return $data;
}

# Reads messages until one of these has come; remembers all.
sub _read_until {
    my ($self, @wanted) = @_;
    while (1) {
        my $header = _read($self->{ctl}, 8);
        if (!defined $header) { $self->{ended} = 1; return }
        my ($type, $length) = unpack 'a4 N', $header;
        my $payload = $length ? _read($self->{ctl}, $length) : '';
        $type = 'ready' if $type eq "PFN\n";
        if ($type eq 'file') { push @{ $self->{file} }, split /\0/, $payload }
        elsif ($type eq 'note') { push @{ $self->{note} }, $payload }
        elsif ($type eq 'ready') { $self->{ready} = { map { split /=/, $_, 2 } split /\0/, $payload } }
        else { $self->{$type} = $payload }
        return $type if grep { $_ eq $type } @wanted;
    }
}

# fork(%options) has one executor made, which is parked. Options: stdin, text or a
# handle, stdout, a handle, and requests, how many it may serve.
sub fork {
    my ($self, %o) = @_;
    my ($in, $out, $err) = _files($o{stdin});
    $out = $o{stdout} if $o{stdout};
    open my $null, '<', '/dev/null' or die "/dev/null: $!";
    socketpair my $call, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
    my $id = ++$self->{id};
    my $payload = pack $o{requests} ? 'N N' : 'N', $id, $o{requests} // ();
    my $message = pack 'a4 N/a', 'fork', $payload;
    if (($self->{ready}{rights} // 0) == 4) {
        send_with($self->{ctl}, $message, $theirs, $null, $out, $err);
    }
    else {
        syswrite $self->{ctl}, $message;
        IO::FDPass::send(fileno $self->{ctl}, fileno $_) or die "send: $!" for $theirs, $null, $out, $err;
    }
    close $theirs;
    my $greeting = _read($call, 8);
    return { id => $id, call => $call, stdin => $in, stdout => $out, stderr => $err, greeting => $greeting };
}

# send($executor, %options) gives a parked executor its request. Options: environment, arguments, stdin, stdout
# (another one than those of fork), and pieces: true if all is to come byte by byte.
sub send {
    my ($self, $executor, %o) = @_;
    if ($executor->{served}) {
        @$executor{qw(stdin stdout stderr)} = _files($o{stdin});
        $executor->{stdout} = $o{stdout} if $o{stdout};
    }
    my $environment = $o{environment} // {};
    my $request = join '', (map { "$_=$environment->{$_}\0" } sort keys %$environment), "\0",
        map { "$_\0" } @{ $o{arguments} // [] };
    my @given = $executor->{served}++ ? @$executor{qw(stdin stdout stderr)} : $executor->{stdin};
    my @bytes = ("\0" . pack('N', length $request) . $request);
    @bytes = split //, $bytes[0] if $o{pieces};
    send_with($executor->{call}, shift @bytes, @given);
    local $SIG{PIPE} = 'IGNORE';
    syswrite $executor->{call}, $_ for @bytes;
    return;
}

# send_with($socket, $bytes, @handles) sends all in one message.
sub send_with {
    my ($socket, $bytes, @handles) = @_;
    my $control = pack 'L! i i i*', 0, SOL_SOCKET, SCM_RIGHTS, map { fileno $_ } @handles;
    substr $control, 0, length pack('L!', 0), pack 'L!', length $control;
    my $vector = pack 'P L!', $bytes, length $bytes;
    my $header = pack 'L! I x![L!] P L! P L! I x![L!]', 0, 0, $vector, 1, $control, length $control, 0;
    my $sent = syscall SYS_sendmsg(), fileno $socket, $header, 0x4000;    # MSG_NOSIGNAL
    die "sendmsg: $sent $!" if $sent != length $bytes;
    return;
}

# finished($executor) waits until a persistent executor has served its request. Returns status, stdout and stderr; nothing
# if it has ended instead.
sub finished {
    my ($self, $executor) = @_;
    my $status = _read($executor->{call}, 4) // return;
    return { status => unpack('N', $status), stdout => _text($executor->{stdout}), stderr => _text($executor->{stderr}) };
}

# reap($executor) waits for its end. Returns status, stdout, stderr, user, system, memory.
sub reap {
    my ($self, $executor) = @_;
    syswrite $self->{ctl}, pack 'a4 N N', 'reap', 4, $executor->{id};
    $self->_read_until('done');
    my ($id, $status, @used) = unpack 'N N Q> Q> Q>', delete $self->{done} // return;
    die "done for $id, not $executor->{id}" if $id != $executor->{id};
    return {
        status => $status, user => $used[0], system => $used[1], memory => $used[2],
        stdout => _text($executor->{stdout}), stderr => _text($executor->{stderr}),
    };
}

# call(%options) is fork, send, reap.
sub call {
    my ($self, %o) = @_;
    my $executor = $self->fork(%o);
    $self->send($executor, %o);
    return $self->reap($executor);
}

# stop() closes ctl. Returns the wait status of the server.
sub stop {
    my ($self) = @_;
    return $self->{status} if defined $self->{status};
    close $self->{ctl};
    waitpid $self->{pid}, 0;
    return $self->{status} = $?;
}

# log() returns what setup and server have written, after stop. It waits for all who can write.
sub log {
    my ($self) = @_;
    $self->stop;
    local $/;
    return $self->{text} //= readline($self->{log}) // '';
}

sub DESTROY {
    my ($self) = @_;
    local $?;
    $self->stop;
}

1;
