#!/usr/bin/ruby
require 'open3'

$stdout.sync = true
puts "Content-Type: text/plain\n\n"
print `echo backticks`, $?.exitstatus, "\n"
system('echo system')
pid = fork { puts 'child'; exit! 4 }
Process.wait(pid)
puts $?.exitstatus, Open3.capture2('tr a-z A-Z', stdin_data: "pipe\n").first
Signal.trap('USR1') { puts 'signal' }
Process.kill('USR1', $$)
puts Thread.new { 6 * 7 }.value, Thread.list.size
