#!/usr/bin/ruby
# A loop as FastCGI has it, made warm by it: a process answers several requests,
# one after the other, if the Caddyfile lets it. Run by hand it answers one:
#     REQUEST_METHOD=GET QUERY_STRING=name=you ./hello.rb
require 'cgi'
require 'prefork_interp'

server = Process.pid
answered = 0

# From here on: as many times as there are requests, in processes forked here.
while PreforkInterp.accept
  answered += 1
  name = CGI.escapeHTML(CGI.parse(ENV['QUERY_STRING'].to_s)['name'].first.to_s)
  print <<~HTML
    Content-Type: text/html; charset=utf-8

    <!DOCTYPE html>
    <html lang="en">
    <head><meta charset="utf-8"><title>A loop in Ruby</title><link rel="stylesheet" href="/style.css"></head>
    <body><h1>A loop in Ruby</h1>
    <form><label>Your name <input name="name" autofocus></label> <button>Send</button></form>
    <p>#{name.empty? ? 'Who are you?' : "Hello, <b>#{name}</b>."}</p>
    <footer>request #{answered} of process #{Process.pid}, forked by process #{server}. <a href="/">Back</a></footer>
    </body></html>
  HTML
end
