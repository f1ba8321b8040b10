# frozen_string_literal: true

module PreforkInterp
  # What both dialects have in common on a socket.
  module Wire # :nodoc:
    # First bytes of an executor (native) or a monitor (v1): proof of life, and no more to say.
    GREETING = "PFI\n\0\0\0\0".b.freeze

    # The longest request or message, in bytes.
    LONGEST = 16 << 20

    # What a process ends with when the other side makes no sense.
    NONSENSE = 127

    module_function

    # Reads from +io+ until there are +length+ bytes, with those that are there already, and not one more: what follows may
    # carry a descriptor. +nil+ at end-of-file.
    def read(io, length, bytes = String.new(capacity: length))
      bytes << patiently([io]) { io.sysread(length - bytes.bytesize) } while bytes.bytesize < length
      bytes
    rescue EOFError, Errno::ECONNRESET
      nil
    end

    # Reads a length and so many bytes. +nil+ at end-of-file. Raises ProtocolError if they are too many.
    def read_counted(io)
      head = read(io, 4) or return
      length = length_of(head)
      length.zero? ? String.new : read(io, length)
    end

    # The length that +bytes+ begin with. Raises ProtocolError if it is too large.
    def length_of(bytes)
      length = bytes.unpack1('N')
      raise ProtocolError, "#{length} bytes are too many" if length > LONGEST

      length
    end

    # Writes all of +bytes+.
    def write(io, bytes)
      written = 0
      written += patiently(nil, [io]) { io.syswrite(bytes.byteslice(written..-1)) } while written < bytes.bytesize
    end

    # A launcher's sockets are blocking. One of another opinion is waited for, and not failed with; and the end of a
    # child interrupts what waits.
    def patiently(*readable_writable)
      yield
    rescue Errno::EINTR
      retry
    rescue Errno::EAGAIN
      IO.select(*readable_writable)
      retry
    end

    # Ends a process that has nothing to do but what this error has made impossible.
    def end_with(error)
      STDERR.puts("prefork_interp: #{error.message}")
      exit!(NONSENSE)
    end

    # Takes strings that end in NUL bytes apart. Raises ProtocolError if the last NUL is missing.
    def strings(bytes)
      raise ProtocolError, 'a string without an end' unless bytes.empty? || bytes.end_with?("\0")

      bytes.split("\0", -1)[0...-1] || []
    end
  end
end
