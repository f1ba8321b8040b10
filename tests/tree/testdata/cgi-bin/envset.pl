#!/usr/bin/env -S APP_HOME=/srv/app perl
print "Content-Type: text/plain\n\nenv has set $ENV{APP_HOME}\n";
