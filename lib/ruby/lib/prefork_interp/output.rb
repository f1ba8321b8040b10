# frozen_string_literal: true

module PreforkInterp
  # The Output is everything that has been written to any IO of this process and that Ruby has not sent yet.
  module Output # :nodoc:
    F_GETFL = 3
    private_constant :F_GETFL

    # Sends it. Not what is only read: to flush it is to forget what has been read ahead, and Ruby has the script itself
    # open, with its first line pushed back. +false+ if something could not be sent and is still there, or may come
    # at the end: encodings such as ISO-2022-JP have something to say then.
    def self.flush
      sent = true
      ObjectSpace.each_object(IO) do |io|
        next unless writable?(io)

        io.flush
        sent = false if io.external_encoding&.dummy?
      rescue SystemCallError, IOError
        sent = false
      end
      sent
    end

    # Not if the descriptor has gone.
    def self.writable?(io)
      !io.closed? && (io.fcntl(F_GETFL) & 3).positive?
    rescue SystemCallError, IOError
      false
    end
    private_class_method :writable?
  end
end
