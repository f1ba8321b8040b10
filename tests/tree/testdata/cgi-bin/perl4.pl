#!/usr/bin/perl
# As they were written in 1994.
require "./cgi-lib.pl";

&ReadParse(*input);
$| = 1;
print &PrintHeader;
print "Name: ", $input{'name'}, "\n";
@list = sort keys %input;
print "$#list: @list[0 .. $#list]\n";
&main'finish;

sub finish {
    local($sum);
    foreach $key (@list) { $sum += length($input{$key}); }
    print "Sum: $sum\n";
}
