#!/usr/bin/ruby -w
require 'erb'
require 'date'
require 'json'

@items = JSON.parse('["one", "two"]')
print ERB.new(<<~PAGE, trim_mode: '-').result(binding)
  Content-Type: text/html

  <%- @items.each do |item| -%>
  <li><%= item %>
  <%- end -%>
  <%= Date.new(2000, 1, 1) + 60 %>
PAGE
