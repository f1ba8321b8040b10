# frozen_string_literal: true

require 'socket'

module PreforkInterp
  # The Bell is where a script asks the launcher for more time (protocol: More time).
  module Bell # :nodoc:
    # At most so many milliseconds can be asked for.
    LARGEST = 0xffffffff

    # Whether the launcher grants so many seconds from now. +name+ is its socket's.
    def self.ask(name, seconds)
      bell = Socket.new(:UNIX, :STREAM)
      bell.connect([Socket::AF_UNIX, "\0#{name}"].pack('Sa*'))
      bell.send([[seconds * 1000, LARGEST].min.to_i].pack('N'), Socket::MSG_NOSIGNAL)
      bell.recv(1) == "\1"
    rescue SystemCallError
      false
    ensure
      bell&.close
    end
  end
end
