#!/usr/bin/env ruby
# frozen_string_literal: true

require 'cgi'
require 'digest'

cgi = CGI.new
file = cgi.params['file'].first
print cgi.http_header('text/plain')
puts "#{file.original_filename} #{file.content_type.strip} #{Digest::MD5.hexdigest(file.read)}"
