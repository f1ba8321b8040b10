#!/usr/bin/ruby
at_exit { puts "first registered #{$!.status}" }
at_exit { puts 'last registered' }
BEGIN { $said = 'BEGIN' }
END { puts 'END' }
puts "Content-Type: text/plain\n\n#{$said}"
$stderr.puts 'to the log'
exit 3
