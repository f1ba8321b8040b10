# frozen_string_literal: true

module PreforkInterp
  # A Request is what a call transports: environment (a Hash) and arguments (an Array of strings).
  class Request # :nodoc:
    attr_reader :environment, :arguments

    # Reads the zero byte with which the launcher says "go on". +false+ at end-of-file. Raises ProtocolError.
    def self.go_on?(io)
      byte = Wire.read(io, 1) or return false
      raise ProtocolError, 'the first byte of the call is not zero' unless byte == "\0".b

      true
    end

    # Reads a request (protocol: The request). +nil+ at end-of-file. Raises ProtocolError.
    def self.read(io)
      bytes = Wire.read_counted(io) or return
      new(Wire.strings(bytes))
    end

    def initialize(strings)
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
