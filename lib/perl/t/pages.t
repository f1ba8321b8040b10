# Memory that executors write to is copied before they have their request.
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Test::More;
use Launcher;

my ($major, $minor) = (POSIX::uname())[2] =~ /^(\d+)\.(\d+)/;
plan skip_all => 'needs Linux 5.14' if $major < 5 || $major == 5 && $minor < 14;
plan skip_all => 'needs 64 bits' if length pack('L!', 0) != 8;

# The script writes to 256 pages of setup, and says how often that has interrupted it.
my $script = <<'SCRIPT';
our $data;
BEGIN { $data = 'x' x (1 << 20) }
sub interruptions { open my $f, '<', '/proc/self/stat' or die; (split ' ', <$f>)[9] }
my $before = interruptions();
substr($data, $_ * 4096, 1) = 'y' for 0 .. 255;
print interruptions() - $before;
SCRIPT
for my $switches ([], ['-T']) {
    my $server = Launcher->start(script => $script, switches => $switches);
    my @counts = map { $server->call->{stdout} } 1 .. 16;
    cmp_ok $counts[0],  '>', 200, 'the first executor copies page by page';
    cmp_ok $counts[-1], '<', 50,  'a later one has them';
    is $server->stop, 0, 'the server ends';
    is $server->log, '', 'and has said nothing';
}

done_testing;
