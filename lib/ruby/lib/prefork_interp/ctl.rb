# frozen_string_literal: true

module PreforkInterp
  # Ctl is the server's socket to its launcher (protocol: Native). A message is
  #
  #   type      4 bytes
  #   length    4 bytes
  #   payload
  #
  # and the descriptors of a +fork+ come with its first byte, or with single bytes that follow it. Therefore nothing here
  # reads ahead.
  class Ctl # :nodoc:
    # Room for many paths in a message, far from its limit.
    PATHS_PER_MESSAGE = 1000
    private_constant :PATHS_PER_MESSAGE

    attr_reader :number

    def initialize(number)
      @number = number
      @io = IO.for_fd(number)
      @io.close_on_exec = true
      @received = []
    end

    def write(type, payload = '')
      Wire.write(@io, [type, payload.bytesize, payload].pack('a4Na*'))
    end

    # Reports loaded files.
    def write_files(paths)
      paths.each_slice(PATHS_PER_MESSAGE) { |some| write('file', strings(some)) }
    end

    # Reports where files would have been loaded from.
    def write_missed(paths)
      paths.each_slice(PATHS_PER_MESSAGE) { |some| write('miss', strings(some)) }
    end

    # Ready. +values+: a Hash.
    def write_ready(values)
      write("PFN\n", strings(values.map { |name, value| "#{name}=#{value}" }))
    end

    # Something for an administrator, in one line.
    def write_line(type, text)
      write(type, text.to_s.gsub(/\s+/, ' ').strip)
    end

    # The next message as type and payload, or +nil+ at end-of-file. Raises ProtocolError.
    def read
      head, @received = System.receive(@io, 8)
      return unless head && Wire.read(@io, 8, head)

      type, length = head.unpack('a4a4')
      payload = Wire.read(@io, Wire.length_of(length)) or return
      [type, payload]
    end

    # The descriptors of the last message, so many, or +nil+ at end-of-file; then what came before is closed. Raises
    # ProtocolError.
    def receive(count)
      numbers = @received
      while numbers.size < count
        numbers << (System.receive_descriptor(@io) || break)
      end
      return numbers if numbers.size == count

      numbers.each { |number| IO.for_fd(number).close }
      nil
    end

    def close
      @io.close
    end

    private

    def strings(list)
      list.map { |string| "#{string}\0".b }.join
    end
  end
end
