#!/usr/bin/ruby
raise ArgumentError, 'it went wrong'
