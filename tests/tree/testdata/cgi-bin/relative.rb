#!/usr/bin/ruby
$LOAD_PATH.unshift(File.join(__dir__, 'rblib'))
require 'greeting'
require_relative 'rblib/other'

puts "Content-Type: text/plain\n\n", Greeting.greet('you'), Other::TEXT, $LOADED_FEATURES.grep(/rblib/).map { |f| File.basename(f) }.inspect
