#!/usr/bin/perl
BEGIN { chdir 'lib' or die; umask 027; unshift @INC, '.' }
use Local::Greeting;
use Cwd;
printf "Content-Type: text/plain\n\n%s %03o %s\n", getcwd(), umask, Local::Greeting::greet('you');
