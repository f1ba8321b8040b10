# frozen_string_literal: true

module PreforkInterp
  # The Inbox is a pipe of the server's in which executors, at their end, leave the names of files that they have loaded and
  # the server has not (protocol: What an executor does). They have closed it long before, as everything that is not the
  # script's, and find it again through /proc.
  class Inbox # :nodoc:
    # What a pipe takes in one piece, unmixed with what others write.
    PIECE = 4096
    private_constant :PIECE

    def initialize(files)
      @files = files
      @reader, @writer = IO.pipe
      @path = "/proc/#{Process.pid}/fd/#{@writer.fileno}"
    end

    def numbers
      [@reader.fileno, @writer.fileno]
    end

    # In the server: what has been left since the last time, as absolute paths.
    def drain
      bytes = String.new
      while (some = @reader.read_nonblock(1 << 16, exception: false)).is_a?(String)
        bytes << some
      end
      bytes.split("\0").select { |path| path.start_with?('/') }
    end

    # In an executor, at its end. What fails here has no consequence but that a change is noticed late.
    def report
      pieces = pieces_of(@files.fresh)
      return if pieces.empty?

      File.open(@path, File::WRONLY | File::NONBLOCK) do |pipe|
        pieces.each { |piece| pipe.syswrite(piece) }
      end
    rescue SystemCallError, IOError
      nil
    end

    def close
      @reader.close
      @writer.close
    end

    private

    # Whole strings only; one that is too long for a piece is left out.
    def pieces_of(paths)
      paths.map { |path| "#{path}\0".b }.select { |string| string.bytesize <= PIECE }.each_with_object([]) do |string, pieces|
        if pieces.empty? || pieces.last.bytesize + string.bytesize > PIECE
          pieces << string
        else
          pieces.last << string
        end
      end
    end
  end
end
