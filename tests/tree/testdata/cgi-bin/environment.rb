#!/usr/bin/ruby
puts "Content-Type: text/plain\n\n"
ENV.sort.each { |name, value| puts "#{name}=#{value}" }
