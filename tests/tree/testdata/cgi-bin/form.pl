#!/usr/bin/perl
use strict;
use warnings;
use CGI qw(:standard);

print header(-type => 'text/html', -charset => 'utf-8'), start_html('Form');
for my $name (sort(param())) {
    print p(escapeHTML("$name: " . join(', ', multi_param($name))));
}
print p(request_method()), start_form(-action => 'form.pl'), textfield('name', 'nobody'), submit(), end_form(), end_html();
