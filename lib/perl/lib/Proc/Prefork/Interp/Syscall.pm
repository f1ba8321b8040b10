package Proc::Prefork::Interp::Syscall;

# System calls that Perl has no function for, made with `syscall` and a table of
# numbers: POSIX, Socket and IO would cost each script more than all the rest
# of this library, and they would be seen in its process.
#
#   receive   a descriptor that the other side has sent   recvmsg     | IO::FDPass
#   gather    bytes, and the descriptors with them        recvmsg     | IO::FDPass
#   replace   a descriptor by another, under its number   dup3        | POSIX
#   collect   a process that ends, with what it has used  wait4       | waitpid
#   session   become the leader of one                    setsid      | POSIX
#   release   a descriptor that is in no handle           close       | close
#   advise    the kernel about memory                   madvise     | -
#   leave     the process, with no END block run          exit_group  | POSIX
#   watch     a process by a descriptor                   pidfd_open  | -
#
# The right column serves a machine that the table does not know.
#
# For the tests of this library: PREFORK_INTERP_TEST_TRANSPORT=syscall, fdpass or
# none stands for a machine where only this way of passing descriptors works.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

sub EINTR ()      { 4 }
sub FD_CLOEXEC () { 1 }
sub F_SETFD ()    { 2 }
sub O_CLOEXEC ()  { 02000000 }
sub LARGE ()      { 65536 }      # a message that is larger comes in pieces

# ELF machine and class (2: 64 bits) => numbers. The class keeps x32 out.
my @CALLS   = qw(recvmsg dup3 wait4 setsid exit_group pidfd_open close madvise);
my @GENERIC = (212, 24, 260, 157, 94, 434, 57, 233);
my %NUMBERS = (
    '62,2'  => [47,  292, 61,  112, 231, 434, 3, 28],    # x86_64
    '3,1'   => [372, 330, 114, 66,  252, 434, 6, 219],    # i386
    '40,1'  => [297, 358, 114, 66,  248, 434, 6, 220],    # arm, EABI
    '21,2'  => [342, 316, 114, 66,  234, 434, 6, 205],    # ppc64, either byte order
    '22,2'  => [372, 326, 114, 66,  248, 434, 6, 150],    # s390x
    '183,2' => \@GENERIC,                            # aarch64
    '243,2' => \@GENERIC,                            # riscv64
);

my %number;       # name => number, empty if the machine is not in the table
my @kept;         # handles that must stay open
my $transport;    # how descriptors are received: syscall, fdpass or none
my $room;         # what gather reads into: made once, in the server

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
        _buffer(my $byte, 1);
        return (_receive(fileno $socket, $byte, 1))[1];
    }
    my $received = IO::FDPass::recv(fileno $socket);
    return $received < 0 ? undef : $received;
}

# gather($socket) reads what there is, at most LARGE bytes. Returns the bytes and the numbers of
# the descriptors that have come with them; nothing at end-of-file or after an error. IO::FDPass
# gives one descriptor and does not show its byte, which is taken for a zero.
#
# make_room() is called in the server before: an executor then copies the pages of the room that its
# request takes, and no more.
sub gather {
    my ($socket) = @_;
    if ($transport ne 'syscall') {
        my $number = receive($socket) // return;
        return "\0", $number;
    }
    my ($count, @numbers) = _receive(fileno $socket, $room, LARGE) or return;
    my $data = substr $room, 0, $count;
    $data .= substr $^X, 0, 0 if ${^TAINT};    # what sysread reads is tainted under -T, and so is this
    return $data, @numbers;
}

# several() tells whether more than one descriptor can come with a byte.
sub several {
    return $transport eq 'syscall';
}

sub make_room {
    _buffer($room, LARGE);
    return;
}

# recvmsg(2) into a buffer. Returns how many bytes, and the numbers of descriptors; nothing at
# end-of-file or after an error. The structures are the kernel's own, the same on each
# machine of a class: `L!` is as wide as a pointer.
sub _receive {
    my ($fd, undef, $size) = @_;
    _buffer(my $control, 64);
    my $vector = pack 'P L!', $_[1], $size;
    my $header = pack 'L! I x![L!] P L! P L! I x![L!]', 0, 0, $vector, 1, $control, 64, 0;
    my $count;
    do { $count = syscall $number{recvmsg}, $fd, $header, 0x40000000 }    # MSG_CMSG_CLOEXEC
        while $count == -1 && $! == EINTR;
    return if $count < 1;
    my ($length, $level, $type) = unpack 'L! i i', $control;
    return $count unless $level == 1 && $type == 1;                       # SOL_SOCKET, SCM_RIGHTS
    my $start = length pack 'L! i i';
    return $count, unpack 'i*', substr $control, $start, $length - $start;
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
    fcntl $handle, F_SETFD, FD_CLOEXEC;
    push @kept, $handle;    # closing it would close the number
    return 1;
}

# collect($pid) waits for a child. Returns its wait status, and what it has used:
# user and system time in microseconds, peak memory in bytes; undef if not known.
sub collect {
    my ($pid) = @_;
    return (waitpid($pid, 0) == $pid ? $? : undef) unless $number{wait4};
    _buffer(my $status, 4);
    _buffer(my $usage,  256);
    my $found;
    do { $found = syscall $number{wait4}, $pid, $status, 0, $usage }
        while $found == -1 && $! == EINTR;
    return if $found != $pid;
    my ($user, $user_micro, $system, $system_micro, $kib) = unpack 'l!5', $usage;
    return unpack('i', $status), $user * 1e6 + $user_micro, $system * 1e6 + $system_micro,
        $kib * 1024;
}

# release($number) closes a descriptor that is in no handle.
sub release {
    my ($number) = @_;
    return syscall $number{close}, $number + 0 if $number{close};
    my $handle;
    open $handle, '<&=', $number or open $handle, '>&=', $number or return;
    return close $handle;
}

# advise($advice, $address, $length, ...) says the same of several ranges. Stops at the first error.
sub advise {
    my $advice = shift;
    my $call = $number{madvise} or return;
    for (my $i = 0; $i < @_; $i += 2) {
        syscall($call, $_[$i], $_[$i + 1], $advice) == 0 or return;
    }
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
