package Proc::Prefork::Interp::Wire;

# Bytes on sockets, as docs/protocol.md has them: read and written here and nowhere
# else.
#
#   message   type, 4 bytes │ length, 4 bytes │ payload
#   request                   length, 4 bytes │ NAME=value\0 … \0 argument\0 …
#   greeting  "PFI\n"       │ length 0

use 5.020;    # brings strict, and loads no file that the script would see in %INC

sub EINTR ()    { 4 }
sub LONGEST ()  { 16 << 20 }
sub GREETING () { "PFI\n\0\0\0\0" }

# read_exactly($socket, $count, $data) returns so many bytes; undef if the stream ends first. $data,
# if given, is what has been read already. Sockets are handles or numbers, as Syscall has them.
sub read_exactly {
    my ($socket, $count, $data) = @_;
    $data //= '';
    while (length $data < $count) {
        my $got = sysread Proc::Prefork::Interp::Syscall::handle($socket), $data, $count - length $data, length $data;
        next if !defined $got && $! == EINTR;
        return unless $got;
    }
    return $data;
}

# write_all($socket, $data) returns false if the other side is gone, which is no signal here, or after any
# other error.
sub write_all {
    my ($socket, $data) = @_;
    while (length $data) {
        my $put = Proc::Prefork::Interp::Syscall::put($socket, $data) // -1;
        next if $put < 0 && $! == EINTR;
        return if $put < 0;
        substr $data, 0, $put, '';
    }
    return 1;
}

# send_message($socket, $type, $payload) returns what write_all does.
sub send_message {
    my ($socket, $type, $payload) = @_;
    return write_all($socket, $type . pack('N', length $payload) . $payload);
}

# strings(@list) is a payload of strings.
sub strings {
    return join '', map { "$_\0" } @_;
}

# receive_message($socket) returns type and payload; nothing at end-of-file. A
# payload that is too long is not read, and is undef.
sub receive_message {
    my ($socket) = @_;
    my $header = read_exactly($socket, 8);
    return unless defined $header;
    my ($type, $length) = unpack 'a4 N', $header;
    return $type, undef if $length > LONGEST;
    my $payload = read_exactly($socket, $length);
    return unless defined $payload;
    return $type, $payload;
}

# next_message($stream) returns what receive_message does. $stream refers to a hash: socket; unread, what has
# come and is no message yet; received, the descriptors that have come with it. Several messages may come at once,
# but no more than one of them with descriptors.
sub next_message {
    my ($stream) = @_;
    while (1) {
        if (length $stream->{unread} >= 8) {
            my ($type, $length) = unpack 'a4 N', $stream->{unread};
            return $type, undef if $length > LONGEST;
            return $type, substr substr($stream->{unread}, 0, 8 + $length, ''), 8
                if length $stream->{unread} >= 8 + $length;
        }
        my ($bytes, @numbers) = Proc::Prefork::Interp::Syscall::gather($stream->{socket}) or return;
        $stream->{unread} .= $bytes;
        push @{ $stream->{received} }, @numbers;
    }
}

# numbers64(@values) is 8 bytes for each, big-endian, also where perl's integers have 32 bits; all bits set if
# a value is not known.
sub numbers64 {
    return pack 'N*', map { defined ? (int $_ / 2**32, $_ % 2**32) : (0xffffffff) x 2 } @_;
}

# receive_request($socket, $begun) reads what the launcher sends after the byte that says
# "go on"; $begun, if given, is what has been read of it already. Returns what request does; nothing if the
# launcher is gone; dies if it does not keep to the protocol.
sub receive_request {
    my ($socket, $begun) = @_;
    my $text = read_exactly($socket, 4, $begun) // return;
    my $length = unpack 'N', $text;
    die "the request is too long\n" if $length > LONGEST;
    $text = read_exactly($socket, 4 + $length, $text) // return;
    die "more than the request has come\n" if length $text > 4 + $length;
    return request(substr $text, 4);
}

# request($text) returns a reference to the environment, as a list of NAME=value, and one to the arguments. Dies if
# these are none.
#
# A value may be tainted, and has to stay so: split keeps that, a match would not.
sub request {
    my ($text) = @_;
    die "the request does not end in a NUL\n" unless substr($text, -1) eq "\0";
    my $end = index "\0$text", "\0\0";
    die "the request's environment has no end\n" if $end < 0;
    my @environment = split /\0/, substr $text, 0, $end;
    die "a variable of the request has no =\n" if grep { index($_, '=') < 0 } @environment;
    my @arguments = split /\0/, substr($text, $end + 1), -1;
    pop @arguments;
    return \@environment, \@arguments;
}

1;
