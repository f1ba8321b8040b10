package Proc::Prefork::Interp::Syscall;

# System calls that Perl has no function for, made with `syscall` and a table of
# numbers: POSIX, Socket and IO would cost each script more than all the rest
# of this library, and they would be seen in its process.
#
#   receive   a descriptor that the other side has sent   recvmsg     | IO::FDPass
#   replace   a descriptor by another, under its number   dup3        | POSIX
#   collect   a process that ends, with what it has used  wait4       | waitpid
#   session   become the leader of one                    setsid      | POSIX
#   leave     the process, with no END block run          exit_group  | POSIX
#   watch     a process by a descriptor                   pidfd_open  | -
#
# The right column serves a machine that the table does not know.
#
# For the tests of this library: PREFORK_INTERP_TEST_TRANSPORT=syscall, fdpass or
# none stands for a machine where only this way of passing descriptors works.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

sub EINTR ()     { 4 }
sub FD_CLOEXEC () { 1 }
sub F_SETFD ()    { 2 }
sub O_CLOEXEC ()  { 02000000 }

# ELF machine and class (2: 64 bits) => numbers. The class keeps x32 out.
my @CALLS   = qw(recvmsg dup3 wait4 setsid exit_group pidfd_open);
my @GENERIC = (212, 24, 260, 157, 94, 434);
my %NUMBERS = (
    '62,2'  => [47,  292, 61,  112, 231, 434],    # x86_64
    '3,1'   => [372, 330, 114, 66,  252, 434],    # i386
    '40,1'  => [297, 358, 114, 66,  248, 434],    # arm, EABI
    '21,2'  => [342, 316, 114, 66,  234, 434],    # ppc64, either byte order
    '22,2'  => [372, 326, 114, 66,  248, 434],    # s390x
    '183,2' => \@GENERIC,                         # aarch64
    '243,2' => \@GENERIC,                         # riscv64
);

my %number;       # name => number, empty if the machine is not in the table
my @kept;         # handles that must stay open
my $transport;    # how descriptors are received: syscall, fdpass or none

# prepare($wanted, $explicit) finds out which system calls can be made. Returns the way in which
# descriptors are received: "syscall", "fdpass", or "none". $wanted is a test's.
#
# IO::FDPass is used where it is present, if the script has asked for this library or for that one.
# A script that knows nothing gets the system call: IO::FDPass brings XSLoader and a shared object
# into a process that would have neither.
sub prepare {
    my ($wanted, $explicit) = @_;
    return $transport if defined $transport;
    my $numbers = $NUMBERS{ _machine() };
    undef $numbers if defined $wanted && $wanted ne 'syscall';
    @number{@CALLS} = @$numbers if $numbers;
    if ($numbers) {
        my $present = !defined $wanted && ($INC{'IO/FDPass.pm'} || $explicit && _load('IO/FDPass.pm'));
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
    return _receive(fileno $socket) if $transport eq 'syscall';
    my $received = IO::FDPass::recv(fileno $socket);
    return $received < 0 ? undef : $received;
}

# recvmsg(2). The structures are the kernel's own, the same on each machine of a
# class: `L!` is as wide as a pointer.
sub _receive {
    my ($fd) = @_;
    _buffer(my $byte,    1);
    _buffer(my $control, 64);
    my $vector = pack 'P L!', $byte, 1;
    my $header = pack 'L! I x![L!] P L! P L! I x![L!]', 0, 0, $vector, 1, $control, 64, 0;
    my $count;
    do { $count = syscall $number{recvmsg}, $fd, $header, 0x40000000 }    # MSG_CMSG_CLOEXEC
        while $count == -1 && $! == EINTR;
    return if $count != 1;
    my ($length, $level, $type, $received) = unpack 'L! i i i', $control;
    return unless $level == 1 && $type == 1;                              # SOL_SOCKET, SCM_RIGHTS
    return $received;
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
