#!/usr/bin/ruby
# SECRET: nobody is to see this source.
# Writes down that it has run, by whom, and all that it was given.
def visible(text) = text.b.gsub(/[^\x20-\x7e]|["\\]/n) { |c| format('\x%02x', c.ord) }

record = ["RUN=#{__FILE__.b}"] + ENV.sort.map { |name, value| "#{name}=".b + value.b }
record += ["ARGV=#{ARGV.join(' ').b}", "STDIN=".b + $stdin.binmode.read, '']
File.open(ENV.fetch('RUNS'), 'ab') { |runs| runs.syswrite(record.map { |line| "#{visible(line)}\n" }.join) }
print "X-Ran: yes\nContent-Type: text/plain\n\nran\n"
