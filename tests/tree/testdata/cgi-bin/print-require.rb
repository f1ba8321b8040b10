#!/usr/bin/ruby
require_relative 'rblib/page'
puts 'the header is of another file'
