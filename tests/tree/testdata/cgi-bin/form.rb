#!/usr/bin/ruby
require 'cgi'

cgi = CGI.new('html5')
cgi.out('type' => 'text/html', 'charset' => 'UTF-8') do
  cgi.params.sort.map { |name, values| "<p>#{CGI.escapeHTML(name)}: #{CGI.escapeHTML(values.join(', '))}\n" }.join
end
