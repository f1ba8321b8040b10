# frozen_string_literal: true

module PreforkInterp
  # The Output is everything that has been written to any IO of this process and that Ruby has not sent yet.
  #
  # To look for all IO objects is to look at all objects, which takes longer than a small request. So they are noted, and
  # looked for again only if an IO has been opened or closed since.
  class Output # :nodoc:
    F_GETFL = 3
    private_constant :F_GETFL

    # Sends it, for the first time.
    #
    # own:: numbers that are the library's, and that may be the script's later
    def initialize(own = [])
      note
      send_noted
      @noted.reject! { |io| own.include?(io.fileno) }
    end

    # Sends it again. +false+ if something could not be sent and is still there, or may come at the end: encodings such as
    # ISO-2022-JP have something to say then.
    def flush
      note unless complete?
      send_noted
    end

    private

    def note
      @noted = ObjectSpace.each_object(IO).select { |io| flags(io) }
    end

    # +nil+ if it is closed, or its descriptor is.
    def flags(io)
      io.fcntl(F_GETFL) unless io.closed?
    rescue SystemCallError, IOError
      nil
    end

    # Whether what has been noted is all. A number that is in use again belonged to an IO that is closed.
    def complete?
      return false if @noted.any?(&:closed?)

      (Dir.children('/proc/self/fd').map(&:to_i) - @noted.map(&:fileno)).all? { |number| rubys_own?(number) }
    end

    # An eventfd; or the folder that has just been read, and is closed.
    def rubys_own?(number)
      File.readlink("/proc/self/fd/#{number}").start_with?('anon_inode:')
    rescue Errno::ENOENT
      true
    end

    # Not what is only read: to flush it is to forget what has been read ahead, and Ruby has the script itself open in setup,
    # with its first line pushed back.
    def send_noted
      @noted.reject { |io| (flags(io).to_i & 3).zero? }.map { |io| sent?(io) }.all?
    end

    def sent?(io)
      io.flush
      !io.external_encoding&.dummy?
    rescue SystemCallError, IOError
      false
    end
  end
end
