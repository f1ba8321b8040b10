#!/usr/bin/ruby
puts "Content-Type: text/plain\n\n"
puts "Hello, #{ENV.fetch('QUERY_STRING')} #{$PROGRAM_NAME} #{__FILE__ == $0} #{ARGV}"
