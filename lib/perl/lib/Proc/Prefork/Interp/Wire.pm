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

# read_exactly($handle, $count) returns so many bytes; undef if the stream ends first.
sub read_exactly {
    my ($handle, $count) = @_;
    my $data = '';
    while (length $data < $count) {
        my $got = sysread $handle, $data, $count - length $data, length $data;
        next if !defined $got && $! == EINTR;
        return unless $got;
    }
    return $data;
}

# write_all($handle, $data) returns false if the other side is gone, or after any
# other error. The caller ignores SIGPIPE.
sub write_all {
    my ($handle, $data) = @_;
    my $done = 0;
    while ($done < length $data) {
        my $put = syswrite $handle, $data, length($data) - $done, $done;
        next if !defined $put && $! == EINTR;
        return unless defined $put;
        $done += $put;
    }
    return 1;
}

# send_message($handle, $type, $payload) returns what write_all does.
sub send_message {
    my ($handle, $type, $payload) = @_;
    return write_all($handle, $type . pack('N', length $payload) . $payload);
}

# strings(@list) is a payload of strings.
sub strings {
    return join '', map { "$_\0" } @_;
}

# receive_message($handle) returns type and payload; nothing at end-of-file. A
# payload that is too long is not read, and is undef.
sub receive_message {
    my ($handle) = @_;
    my $header = read_exactly($handle, 8);
    return unless defined $header;
    my ($type, $length) = unpack 'a4 N', $header;
    return $type, undef if $length > LONGEST;
    my $payload = read_exactly($handle, $length);
    return unless defined $payload;
    return $type, $payload;
}

# number64($value) is 8 bytes, big-endian, also where perl's integers have 32 bits;
# all bits set if the value is not known.
sub number64 {
    my ($value) = @_;
    return "\xff" x 8 unless defined $value;
    return pack 'N N', int($value / 2**32), $value % 2**32;
}

# receive_request($handle) reads what the launcher sends after the byte that says
# "go on". Returns a reference to the environment, as a list of NAME=value, and one to the
# arguments; nothing if the launcher is gone; dies if it does not keep to the
# protocol.
#
# A value may be tainted, and has to stay so: split keeps that, a match would not.
sub receive_request {
    my ($handle) = @_;
    my $length = read_exactly($handle, 4);
    return unless defined $length;
    $length = unpack 'N', $length;
    die "the request is too long\n" if $length > LONGEST;
    my $payload = read_exactly($handle, $length);
    return unless defined $payload;
    my @strings = split /\0/, $payload, -1;
    die "the request does not end in a NUL\n" unless @strings && pop(@strings) eq '';
    my @environment;
    while (1) {
        die "the request's environment has no end\n" unless @strings;
        my $string = shift @strings;
        last if $string eq '';
        die "a variable of the request has no =\n" if index($string, '=') < 0;
        push @environment, $string;
    }
    return \@environment, \@strings;
}

1;
