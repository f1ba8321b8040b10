#!/usr/bin/ruby
require_relative 'rblib/tostdout'
puts "Content-Type: text/plain\n\n"
$stdout.flush
warn 'errors too'
system('echo and those of programs >&2')
