# frozen_string_literal: true

module PreforkInterp
  # A Request is what a call transports: environment (a Hash) and arguments (an Array of strings).
  class Request # :nodoc:
    attr_reader :environment, :arguments

    # Numbers of the descriptors that came with it: stdin, and, if there are three, stdout and stderr.
    attr_reader :descriptors

    # What is read at once: more than most requests have.
    ROOM = 1 << 14

    # The zero byte with which the launcher says "go on", and the length.
    HEAD = 5
    private_constant :ROOM, :HEAD

    # Native: reads "go on" with so many descriptors, and the request, which mostly is there at the same time.
    # +nil+ at end-of-file. Raises ProtocolError.
    def self.receive(io, count)
      bytes, descriptors = System.receive(io, ROOM)
      return unless bytes

      go_on(bytes)
      raise ProtocolError, "#{descriptors.size} descriptors and not #{count}" unless descriptors.size == count

      bytes = Wire.read(io, HEAD, bytes) or return
      length = Wire.length_of(bytes.byteslice(1, 4))
      bytes = Wire.read(io, HEAD + length, bytes) or return
      new(Wire.strings(bytes.byteslice(HEAD, length)), descriptors)
    end

    # v1: reads "go on" alone. +false+ at end-of-file. Raises ProtocolError.
    def self.go_on?(io)
      byte = Wire.read(io, 1) or return false
      go_on(byte)
    end

    # v1: reads a request (protocol: The request). +nil+ at end-of-file. Raises ProtocolError.
    def self.read(io)
      bytes = Wire.read_counted(io) or return
      new(Wire.strings(bytes), [])
    end

    def self.go_on(bytes)
      bytes.getbyte(0).zero? or raise ProtocolError, 'the first byte of the call is not zero'
    end
    private_class_method :go_on

    def initialize(strings, descriptors)
      @descriptors = descriptors
      border = strings.index('') or raise ProtocolError, 'a request without an end of the environment'
      # A variable without a name is possible in an environment, but Ruby cannot set it.
      @environment = strings.first(border).to_h { |string| pair(string) }.reject { |name, _| name.empty? }
      @arguments = strings.drop(border + 1)
    end

    # Takes +lead+ from the front of the arguments, if it is there. self.
    def without(lead)
      @arguments.shift(lead.size) if @arguments.first(lead.size).map(&:b) == lead
      self
    end

    private

    def pair(string)
      name, value = string.split('=', 2)
      raise ProtocolError, 'a variable without a value' unless value

      [name, value]
    end
  end
end
