package Local::Log;
use strict;
open my $log, '>&', \*STDERR or die "no log: $!";
select((select($log), $| = 1)[0]);

sub say_it { return print {$log} "@_\n" }

1;
