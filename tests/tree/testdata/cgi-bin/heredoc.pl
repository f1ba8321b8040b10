#!/usr/bin/perl
my $name = $ENV{QUERY_STRING};
print <<"HEAD", <<'RAW', <<~INDENT;
Content-Type: text/plain

Hello, $name
HEAD
__END__ and $name as they are
RAW
    indented ${\ uc $name}
    INDENT
