#!/usr/bin/perl
INIT { $said .= 'INIT ' }
CHECK { $said .= 'CHECK ' }
BEGIN { $said .= 'BEGIN ' }
END { print "END $?\n"; $? = 0 }
print "Content-Type: text/plain\n\n${said}main\n";
exit 4;
