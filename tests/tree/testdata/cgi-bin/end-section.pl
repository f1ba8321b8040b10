#!/usr/bin/perl
use strict;
my $template = do { local $/; <main::DATA> };
my %value = (TITLE => 'A title', TEXT => 'Some text');
$template =~ s/\{(\w+)\}/$value{$1}/g;
print $template;
__END__
Content-Type: text/html; charset=iso-8859-1

<title>{TITLE}</title>
<p>{TEXT}
