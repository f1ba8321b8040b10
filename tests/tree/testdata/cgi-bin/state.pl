#!/usr/bin/perl
# What a script can see of how it was started.
use Cwd ();
print "Content-Type: text/plain\n\n";
print "0=$0\nfile=", __FILE__, "\nargs=@ARGV\nINC=@INC\nmodules=@{[sort keys %INC]}\ncwd=", Cwd::getcwd(), "\n";
print "tty=", (-t STDIN ? 1 : 0), " age=", ($^T <= time && $^T > time - 5 ? 'young' : 'old'), " w=$^W taint=${^TAINT}\n";
print "stdin=@{[defined(<STDIN>) ? 'some' : 'empty']} argc=@{[scalar @ARGV]} umask=", sprintf('%03o', umask), " errno=", $! + 0, " eval=[$@] child=$?\n";
print "signals=@{[grep { defined $SIG{$_} } sort keys %SIG]} buffer=$|$,$\\$;\n";
# Apache has its own beyond these.
opendir my $folder, "/proc/self/fd" or die;
print "descriptors=@{[sort { $a <=> $b } grep { /\d/ && $_ < 10 && $_ != fileno $folder } readdir $folder]}\n";
