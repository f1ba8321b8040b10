# A request is taken apart, and what is none is refused.

use strict;
use warnings;

use Test::More;

use Proc::Prefork::Interp::Wire;

for (
    ["\0",                        [],                   []],
    ["\0\0",                      [],                   ['']],
    ["A=1\0\0",                   ['A=1'],              []],
    ["A=1\0B==\0C=\0\0x\0\0y\0",  ['A=1', 'B==', 'C='], ['x', '', 'y']],
    ["A=\xff\n\0\0\xfe\0",        ["A=\xff\n"],         ["\xfe"]],
    ["=1\0\0A=1\0",               ['=1'],               ['A=1']],
    )
{
    my ($text, @wanted) = @$_;
    is_deeply [Proc::Prefork::Interp::Wire::request($text)], \@wanted, shown($text);
}

for (
    ['',             qr/does not end in a NUL/],
    ['A=1',          qr/does not end in a NUL/],
    ["A=1\0\0x",     qr/does not end in a NUL/],
    ["A=1\0",        qr/environment has no end/],
    ["A=1\0B\0\0",   qr/has no =/],
    ["B\0\0A=1\0",   qr/has no =/],
    )
{
    my ($text, $reason) = @$_;
    ok !eval { Proc::Prefork::Interp::Wire::request($text); 1 }, shown($text);
    like $@, $reason, 'why';
}

done_testing;

sub shown {
    my ($text) = @_;
    return $text =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
}
