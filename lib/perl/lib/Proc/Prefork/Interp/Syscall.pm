package Proc::Prefork::Interp::Syscall;

# System calls that Perl has no function for, made with `syscall` and a table of
# numbers: POSIX, Socket and IO would cost each script more than all the rest
# of this library, and they would be seen in its process.
#
#   receive   a descriptor that the other side has sent   recvmsg     | IO::FDPass
#   gather    bytes, and the descriptors with them        recvmsg     | IO::FDPass
#   put       bytes on a socket                           sendto      | send
#   fetch     what is in a pipe                           read        | sysread
#   replace   a descriptor by another, under its number   dup3        | POSIX
#   collect   a process that ends, with what it has used  wait4       | waitpid
#   session   become the leader of one                    setsid      | POSIX
#   release   a descriptor that is a number               close       | close
#   leave     the process, with no END block run          exit_group  | POSIX
#   whole     says that all has been written to a pipe    fcntl       | -
#   watch     a process by a descriptor                   pidfd_open  | -
#
# The right column serves a machine that the table does not know. There a number gets a handle when it is first
# used as one; elsewhere the descriptors of the native dialect never have one: to open and to close it would write to
# memory that an executor shares with the server.
#
# For the tests of this library: PREFORK_INTERP_TEST_TRANSPORT=syscall, fdpass or
# none stands for a machine where only this way of passing descriptors works.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

sub EINTR ()      { 4 }
sub CMSG_CLOEXEC () { 0x40000000 }
sub O_CLOEXEC ()  { 02000000 }
sub F_DUPFD_CLOEXEC () { 1030 }
sub NOSIGNAL () { 0x4000 }       # no SIGPIPE if the other side is gone
sub F_SETPIPE_SZ () { 1031 }
sub WHOLE ()      { 32768 }      # the size of a pipe to which all has been written
sub LARGE ()      { 65536 }      # a message that is larger comes in pieces

# ELF machine and class (2: 64 bits) => numbers. The class keeps x32 out.
my @CALLS   = qw(recvmsg sendto read dup3 wait4 setsid exit_group pidfd_open close madvise fcntl process_madvise);
my @GENERIC = (212, 206, 63, 24, 260, 157, 94, 434, 57, 233, 25, 440);
my %NUMBERS = (
    '62,2'  => [47,  44,  0, 292, 61,  112, 231, 434, 3, 28,  72, 440],    # x86_64
    '3,1'   => [372, 369, 3, 330, 114, 66,  252, 434, 6, 219, 55, 440],    # i386
    '40,1'  => [297, 290, 3, 358, 114, 66,  248, 434, 6, 220, 55, 440],    # arm, EABI
    '21,2'  => [342, 335, 3, 316, 114, 66,  234, 434, 6, 205, 55, 440],    # ppc64, either byte order
    '22,2'  => [372, 369, 3, 326, 114, 66,  248, 434, 6, 150, 55, 440],    # s390x
    '183,2' => \@GENERIC,                                                  # aarch64
    '243,2' => \@GENERIC,                                                  # riscv64
);

my %number;       # name => number, empty if the machine is not in the table
my @kept;         # handles that must stay open
my $transport;    # how descriptors are received: syscall, fdpass or none
my %handle;       # number => handle, where one is needed

# What the kernel writes to: one string, so that it lies on few pages.
#
#   msghdr │ VECTOR iovec │ CONTROL descriptors │ STATUS │ USAGE rusage │ BYTES what gather reads … │ SPARE what fetch reads
sub VECTOR ()  { 64 }
sub CONTROL () { 96 }
sub STATUS ()  { 160 }
sub USAGE ()   { 168 }
sub BYTES ()   { 424 }
sub SPARE ()   { BYTES + LARGE }
sub PIECE ()   { 4096 }
sub GIVEN ()   { 'x[L!5] L!' }           # where recvmsg says how long the descriptors are
sub USED ()    { 'x[160] i x4 l!5' }     # status and usage
my $room = '';
my $address;                      # of the room
my $header;                       # what the msghdr is before a call

# prepare($wanted, $version1) finds out which system calls can be made. Returns the way in which
# descriptors are received: "syscall", "fdpass", or "none". $wanted is a test's.
#
# Under v1 IO::FDPass is used where it is present. The native dialect sends several descriptors
# with one byte, and IO::FDPass receives one: it is for machines that the table does not know.
sub prepare {
    my ($wanted, $version1) = @_;
    return $transport if defined $transport;
    my $numbers = $NUMBERS{ _machine() };
    undef $numbers if defined $wanted && $wanted ne 'syscall';
    @number{@CALLS} = @$numbers if $numbers;
    if ($numbers) {
        my $present = $version1 && !defined $wanted && _load('IO/FDPass.pm');
        return $transport = $present ? 'fdpass' : 'syscall';
    }
    return $transport = 'none' if defined $wanted && $wanted eq 'none';
    return $transport = _load('IO/FDPass.pm') && _load('POSIX.pm') ? 'fdpass' : 'none';
}

# The machine that this perl is made for, from its own header; the kernel's name
# for itself would be wrong for a perl of 32 bits on a kernel of 64.
sub _machine {
    open my $self, '<', '/proc/self/exe' or return '';
    binmode $self;
    sysread $self, my $header, 20 or return '';
    my ($class, $machine) = unpack 'x4 C x13 S', $header;
    return "$machine,$class";
}

sub _load {
    my ($file) = @_;
    local ($@, $SIG{__DIE__});
    return eval { require $file };
}

# receive($socket) reads one byte with one descriptor from a handle. Returns its
# number; undef at end-of-file, after an error and for a byte without a descriptor.
# Whether it is close-on-exec depends on the way: nothing runs a program before it
# is either replaced or closed.
sub receive {
    my ($socket) = @_;
    if ($transport eq 'syscall') {
        make_room(1) if $room eq '';
        return (gather(fileno $socket))[1];
    }
    my $received = IO::FDPass::recv(fileno $socket);
    return $received < 0 ? undef : $received;
}

# gather($number) reads what there is, at most LARGE bytes. Returns the bytes and the numbers of
# the descriptors that have come with them; nothing at end-of-file or after an error. IO::FDPass
# gives one descriptor and does not show its byte, which is taken for a zero.
sub gather {
    if ($transport ne 'syscall') {
        my $number = IO::FDPass::recv($_[0]);
        return $number < 0 ? () : ("\0", $number);
    }
    my $count;
    do {
        substr $room, 0, length $header, $header;
        $count = syscall $number{recvmsg}, $_[0], $address, CMSG_CLOEXEC;
    } while $count == -1 && $! == EINTR;
    return $count < 1 ? () : gathered($count);
}

# gathered($count) returns what gather does, of so many bytes that have been read into the room.
sub gathered {
    my ($count) = @_;
    my ($given) = unpack GIVEN, $room;
    return substr $room, BYTES, $count unless $given;
    my ($length, $level, $type, @numbers) = unpack 'L! i i i*', substr $room, CONTROL, $given;
    return substr $room, BYTES, $count unless $level == 1 && $type == 1;    # SOL_SOCKET, SCM_RIGHTS
    return substr($room, BYTES, $count), @numbers[0 .. ($length - length pack 'L! i i') / 4 - 1];
}

# tools() returns what gather works with, for Loop and Pages: references to the numbers and to the room, its address, and
# what the msghdr is before a call.
sub tools {
    return \%number, \$room, $address, $header;
}

# several() tells whether more than one descriptor can come with a byte.
sub several {
    return $transport eq 'syscall';
}

# make_room($bytes) makes what gather reads into, in the server: an executor then copies the pages of the room
# that its request takes, and no more. The structures of recvmsg(2) are the kernel's own, the same on each machine of a
# class: `L!` is as wide as a pointer. Called without an argument but for a test of one descriptor at a time.
sub make_room {
    my $size = $_[0] // LARGE;
    _buffer($room, BYTES + $size + ($size == LARGE && PIECE));
    $address = unpack 'L!', pack 'P', $room;
    $header  = pack 'L! I x![L!] L! L! L! L! I x![L!]', 0, 0, $address + VECTOR, 1, $address + CONTROL, 64, 0;
    substr $room, VECTOR, length pack('L! L!', 0, 0), pack 'L! L!', $address + BYTES, $size;
    return;
}

# put($socket, $data) writes to a number or a handle. Returns how many bytes; -1 or undef after an error.
sub put {
    my ($socket, $data) = @_;
    return syscall $number{sendto}, $socket, $data, length $data, NOSIGNAL, 0, 0
        if $number{sendto} && !ref $socket;
    return send handle($socket), $data, NOSIGNAL;
}

# fetch($number) returns what is in a pipe that does not block.
sub fetch {
    my ($pipe) = @_;
    my $text = '';
    if (!$number{recvmsg}) {
        1 while sysread handle($pipe), $text, LARGE, length $text;
        return $text;
    }
    my $count;
    while (($count = syscall $number{read}, $pipe, $address + SPARE, PIECE) > 0) {
        $text .= substr $room, SPARE, $count;
        last if $count < PIECE;
    }
    return $text;
}

# handle($socket) returns a handle for a number; what is a handle is returned.
sub handle {
    my ($socket) = @_;
    return $socket if ref $socket;
    return $handle{$socket} if $handle{$socket};
    local $^F = 2;    # close-on-exec
    my $handle;
    open $handle, '+<&=', $socket or open $handle, '<&=', $socket or return;
    binmode $handle;
    return $handle{$socket} = $handle;
}

# keep($handle, $least) closes a handle and returns a number for what it was: that or a higher one, close-on-exec.
sub keep {
    my ($handle, $least) = @_;
    my $number = fcntl $handle, F_DUPFD_CLOEXEC, $least or return;
    close $handle;
    return $number + 0;    # fcntl calls zero "0 but true"
}

# Makes its first argument a string of so many zero bytes that a system call may
# write to. vec gives it memory of its own; perl shares it between copies.
sub _buffer {
    $_[0] = "\0" x $_[1];
    vec($_[0], 0, 8) = 0;
    return;
}

# replace($old, $new, $flags) makes $new, a number, a duplicate of $old; $flags is 0
# or O_CLOEXEC. It works below PerlIO: a handle on $new keeps its layers. Returns
# false after an error, with $! set.
sub replace {
    my ($old, $new, $flags) = @_;
    return 1 if $old == $new;    # dup3 takes that for an error
    return syscall($number{dup3}, $old + 0, $new + 0, $flags) != -1 if $number{dup3};
    POSIX::dup2($old, $new) or return;
    return 1 unless $flags;
    open my $handle, '<&=', $new or return;
    fcntl $handle, 2, 1;    # F_SETFD, FD_CLOEXEC
    push @kept, $handle;    # closing it would close the number
    return 1;
}

# collect($pid) waits for a child. Returns its wait status, and what it has used:
# user and system time in microseconds, peak memory in bytes; undef if not known.
sub collect {
    my ($pid) = @_;
    return (waitpid($pid, 0) == $pid ? $? : undef) unless $number{wait4};
    make_room(1) if $room eq '';
    my $found;
    do { $found = syscall $number{wait4}, $pid, $address + STATUS, 0, $address + USAGE }
        while $found == -1 && $! == EINTR;
    return if $found != $pid;
    my ($status, $user, $user_micro, $system, $system_micro, $kib) = unpack USED, $room;
    return $status, $user * 1e6 + $user_micro, $system * 1e6 + $system_micro,
        $kib * 1024;
}

# release(@numbers) closes descriptors that are in no handle but ours.
sub release {
    for (@_) {
        if (!$number{close} || exists $handle{$_}) {
            my $handle = delete $handle{$_};
            $handle or open $handle, '<&=', $_ or open $handle, '>&=', $_ or next;
            close $handle;
        }
        else {
            syscall $number{close}, $_;
        }
    }
    return;
}

# whole($number) says to who reads from a pipe that all has been written which will be; see docs/protocol.md,
# "The end of an executor". What is no pipe has no size, and nothing happens.
sub whole {
    my ($number) = @_;
    syscall $number{fcntl}, $number + 0, F_SETPIPE_SZ, WHOLE if $number{fcntl};
    return;
}

# session() makes this process the leader of a session and a process group.
sub session {
    return syscall $number{setsid} if $number{setsid};
    return POSIX::setsid();
}

# leave($status) ends this process at once: no END block, no destructor, no buffer
# of the script's is touched. Does not return.
sub leave {
    my ($status) = @_;
    syscall $number{exit_group}, $status + 0 if $number{exit_group};
    POSIX::_exit($status) if _load('POSIX.pm');
    kill KILL => $$;
}

# watch($pid) returns a handle that becomes readable when the child has ended, and
# nothing where the kernel or the machine has no pidfd.
sub watch {
    my ($pid) = @_;
    return unless $number{pidfd_open};
    my $fd = syscall $number{pidfd_open}, $pid, 0;
    return if $fd == -1;
    open my $handle, '<&=', $fd or return;
    return $handle;
}

1;
