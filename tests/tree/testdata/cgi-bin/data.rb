#!/usr/bin/ruby
puts "Content-Type: text/plain\n\n"
DATA.each_line.with_index(1) { |line, n| puts "#{n}: #{line}" }
DATA.rewind
puts DATA.gets
__END__
first line
second line
