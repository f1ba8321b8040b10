#!/usr/bin/ruby
require 'cgi'

cgi = CGI.new
session = CGI::Cookie.new('name' => 'session', 'value' => ['a b', 'c'], 'path' => '/')
cgi.out('type' => 'text/plain', 'cookie' => [session]) { cgi.cookies.sort.map { |n, c| "#{n}=#{c.to_a.join('|')}\n" }.join }
