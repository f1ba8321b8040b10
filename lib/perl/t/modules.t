# Each module is clean under strict and all warnings, and loads nothing but the library.
use strict;
use warnings;
use Test::More;
use File::Find ();
use FindBin    ();

my $lib = "$FindBin::Bin/../lib";
my @modules;
File::Find::find(sub { push @modules, $File::Find::name if /\.pm$/ }, $lib);

for my $path (sort @modules) {
    my ($name) = $path =~ m{(Proc/.*)$};
    open my $file, '<', $path or die "$path: $!";
    my $text = do { local $/; readline $file };
    my $fatal = 'use strict; use warnings FATAL => "all"; no warnings qw(once redefine);';
    my $said  = check("$fatal\n#line 1 $name\n$text");
    is $said, '', "$name has no warnings";
    cmp_ok scalar(() = $text =~ /\n/g), '<=', 300, "$name is short";
}

# check($text) compiles a program and returns what perl says, but for "syntax OK".
sub check {
    my ($text) = @_;
    require File::Temp;
    my $temporary = File::Temp->new;
    print $temporary $text;
    $temporary->flush;
    my $said = `$^X -I '$lib' -c '$temporary' 2>&1`;
    $said =~ s/^.*syntax OK\n//m;
    return $said;
}

my $loaded = `$^X -I '$lib' -e 'require Proc::Prefork::Interp; print join " ", sort keys %INC'`;
is $loaded, 'Proc/Prefork/Interp.pm', 'standalone only one file is loaded';

require_ok "$lib/Proc/Prefork/Interp.pm";
{
    local @INC = ($lib, @INC);
    require Proc::Prefork::Interp::Native;
    no warnings 'once';
    is $Proc::Prefork::Interp::Native::VERSION, $Proc::Prefork::Interp::VERSION, 'one version';
}

done_testing;
