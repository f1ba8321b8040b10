package Proc::Prefork::Interp::Loop;

# The server's loop for as long as nothing unusual comes: `fork` and `reap`, and an executor's way to its request.
# All else, and the time in which the server still learns, is Native's own loop.
#
# After a fork each page that is written to is copied, and the first call of a function writes to three: where perl counts
# the calls, the function's variables, its arguments. So nothing is called here that can be done in place, and
# system calls are made by the numbers, and into the memory, that Syscall has for them.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

# `fork` and `reap` are 12 bytes: type, length of the id, id. vec reads them as numbers of 32 bits.
sub FORK ()  { 0x666f726b }
sub REAP ()  { 0x72656170 }
sub WHOLE () { 12 }

sub FORKED ()   { Proc::Prefork::Interp::Native::FORKED() }
sub REAPED ()   { Proc::Prefork::Interp::Native::REAPED() }
sub EXECUTOR () { Proc::Prefork::Interp::Native::EXECUTOR() }
sub BYTES ()    { Proc::Prefork::Interp::Syscall::BYTES() }
sub SPARE ()    { Proc::Prefork::Interp::Syscall::SPARE() }
sub STATUS ()   { Proc::Prefork::Interp::Syscall::STATUS() }
sub USAGE ()    { Proc::Prefork::Interp::Syscall::USAGE() }
sub CLOEXEC ()  { Proc::Prefork::Interp::Syscall::CMSG_CLOEXEC() }
sub NOSIGNAL () { Proc::Prefork::Interp::Syscall::NOSIGNAL() }

# What recvmsg says of descriptors: the length of all, that of the first header, its level and type, and four of them.
my $given_as = sprintf 'x[L!5] L! @%d L! i6', Proc::Prefork::Interp::Syscall::CONTROL();
my ($one, $four) = map { length pack 'L! i2 i*', 0, 0, 0, (0) x $_ } 1, 4;
my $request_as = sprintf 'x[%d] C N', BYTES;    # "go on", length
my $used_as    = Proc::Prefork::Interp::Syscall::USED();

my ($number, $room, $address, $header) = Proc::Prefork::Interp::Syscall::tools();
my ($recvmsg, $wait4, $read, $sendto, $close, $dup3) = @$number{qw(recvmsg wait4 read sendto close dup3)};
my $greeting = Proc::Prefork::Interp::Wire::GREETING();    # syscall wants a string that might be written to

# run($server, $settled) returns what was done, in Native's bits: EXECUTOR in an executor that has its request. In the server
# it goes on for as long as there is nothing else to do: the server is settled, has learned all that it can, and
# no executor has said anything. What has been read and not been done is where Wire::next_message looks.
sub run {
    my ($server, $settled) = @_;
    my ($ctl, $inbox, $running) = ($server->{ctl}{socket}, @$server{qw(inbox running)});
    while (1) {
        substr $$room, 0, length $header, $header;
        my $end = BYTES + syscall $recvmsg, $ctl, $address, CLOEXEC;
        return 0 if $end <= BYTES;
        my ($given, $length, undef, undef, $call, $stdin, $stdout, $stderr) = unpack $given_as, $$room;
        my ($at, $done) = (BYTES, 0);
        while ($end - $at >= WHOLE && vec($$room, $at / 4 + 1, 32) == 4) {
            my $id = substr $$room, $at + 8, 4;
            if (vec($$room, $at / 4, 32) == FORK) {
                last unless $given && $length == $four;
                my $process = fork // last;
                if (!$process) {
                    _execute($server, $settled, $call, $stdin, $stdout, $stderr);
                    return EXECUTOR;
                }
                setpgrp $process, $process;    # so the group exists, whoever is first
                $running->{$id} = $process;
                syscall $close, $call;
                syscall $close, $stdin;
                syscall $close, $stdout;
                syscall $close, $stderr;
                $given = 0;
                $done |= FORKED;
            }
            elsif (vec($$room, $at / 4, 32) == REAP && (my $process = $running->{$id})) {
                last if syscall($wait4, $process, $address + STATUS, 0, $address + USAGE) != $process;
                delete $running->{$id};
                $done |= REAPED;
                my $heard = syscall $read, $inbox, $address + SPARE, Proc::Prefork::Interp::Syscall::PIECE();
                if ($heard > 0) {
                    Proc::Prefork::Interp::Loaded::forward($inbox, $ctl, substr $$room, SPARE, $heard);
                    undef $settled;
                }
                my ($status, $user, $user_micro, $system, $system_micro, $kib) = unpack $used_as, $$room;
                $user   = $user * 1e6 + $user_micro;
                $system = $system * 1e6 + $system_micro;
                my $message = pack 'a4 N a4 N7', 'done', 32, $id, $status, $user / 2**32, $user % 2**32,
                    $system / 2**32, $system % 2**32, $kib / 2**22, $kib * 1024 % 2**32;
                syscall($sendto, $ctl, $message, length $message, NOSIGNAL, 0, 0) > 0
                    or Proc::Prefork::Interp::Wire::write_all($ctl, $message);
            }
            else {
                last;
            }
            $at += WHOLE;
        }
        if ($at < $end || $given) {
            my ($bytes, @numbers) = Proc::Prefork::Interp::Syscall::gathered($end - BYTES);
            $server->{ctl}{unread}   = substr $bytes, $at - BYTES;
            $server->{ctl}{received} = $given ? \@numbers : [];
            return $done;
        }
        return $done if !$settled;
    }
}

# In the executor, until the script's next statement. Where setup has opened files, or standard descriptors again, and
# where the request has not come at once, Executor has more to do.
sub _execute {
    my ($server, $settled, $call, $stdin, $stdout, $stderr) = @_;
    setpgrp 0, 0;
    if (!$settled) {
        Proc::Prefork::Interp::Ending::forget();
        Proc::Prefork::Interp::Learning::forget();
    }
    syscall $close, $server->{ctl}{socket};
    syscall $close, $server->{inbox};
    if ($server->{plain} && $call > 2) {
        syscall($dup3, $stdin, 0, 0) + syscall($dup3, $stdout, 1, 0) + syscall($dup3, $stderr, 2, 0) == 3
            or Proc::Prefork::Interp::Executor::refuse("cannot replace the standard descriptors: $!\n");
        syscall $close, $stdin;
        syscall $close, $stdout;
        syscall $close, $stderr;
        srand;
    }
    else {
        Proc::Prefork::Interp::Executor::detach($server->{prepared}, $stdin, $stdout, $stderr);
    }
    syscall($sendto, $call, $greeting, length $greeting, NOSIGNAL, 0, 0) > 0
        or Proc::Prefork::Interp::Syscall::leave(0);
    Proc::Prefork::Interp::Pages::populate();
    Proc::Prefork::Interp::Pages::watch() if !$settled;
    substr $$room, 0, length $header, $header;
    my $count = syscall $recvmsg, $call, $address, CLOEXEC;
    my ($given, $size, undef, undef, $input) = unpack $given_as, $$room;
    my ($go_on, $length) = unpack $request_as, $$room;
    local $@;
    my @request;
    if ($server->{plain} && $count == 5 + $length && $go_on == 0 && $given && $size == $one) {
        syscall($dup3, $input, 0, 0) == 0
            or Proc::Prefork::Interp::Executor::refuse("cannot replace descriptor 0: $!\n");
        syscall $close, $input;
        @request = eval { Proc::Prefork::Interp::Wire::request(substr $$room, BYTES + 5, $length) }
            or Proc::Prefork::Interp::Executor::refuse($@);
    }
    else {
        @request = Proc::Prefork::Interp::Executor::receive($call, $server->{prepared}, 1,
            $count > 0 ? Proc::Prefork::Interp::Syscall::gathered($count) : ())
            or Proc::Prefork::Interp::Syscall::leave(0);
    }
    syscall $close, $call;
    Proc::Prefork::Interp::Loaded::at_end(\&Proc::Prefork::Interp::Loaded::tell);
    Proc::Prefork::Interp::Executor::take($server->{prepared}, @request, $server->{changes});
    return;
}

1;
