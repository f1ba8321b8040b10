#!@TOOLS@/perl-site
print "Content-Type: text/plain\n\na wrapper in C has set $ENV{APP_HOME}\n";
