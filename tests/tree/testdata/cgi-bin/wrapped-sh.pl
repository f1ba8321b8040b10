#!@TOOLS@/perl
print "Content-Type: text/plain\n\na wrapper in shell has set $ENV{APP_HOME}\n";
