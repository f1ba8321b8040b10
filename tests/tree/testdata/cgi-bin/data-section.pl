#!/usr/bin/perl
print "Content-Type: text/plain\n\n";
print tell(DATA), "\n";
while (<DATA>) { print "$.: $_" }
seek DATA, 0, 0;
print scalar <DATA>;
__DATA__
first line
second line
third line
