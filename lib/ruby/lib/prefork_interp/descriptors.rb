# frozen_string_literal: true

module PreforkInterp
  # The Descriptors are those that setup has open at the fork point and that an executor cannot use as they are
  # (protocol: What an executor does, steps 2 and 3):
  #
  # * duplicates of setup's standard descriptors: in an executor they must lead to the request's;
  # * regular files open for reading: their offset is shared by all processes that have inherited them.
  #
  # Everything is done to numbers. IO objects of the script ($stdin, a logger's $stderr.dup) are not touched and keep
  # their modes, encodings and buffers.
  class Descriptors # :nodoc:
    # From fcntl.h; File::Constants does not have all of them, and not as the kernel shows them.
    ACCESS = 0o3
    APPEND = 0o2000
    CLOSE_ON_EXEC = 0o2000000
    STANDARD = [0, 1, 2].freeze
    private_constant :ACCESS, :APPEND, :CLOSE_ON_EXEC, :STANDARD

    # How one descriptor is open: where its link in /proc leads, flags and offset.
    State = Struct.new(:number, :link, :flags, :offset) do
      # +nil+ if the descriptor is not open.
      def self.of(number)
        info = File.read("/proc/self/fdinfo/#{number}")
        new(number, link(number), info[/^flags:\s*(\d+)/, 1].to_i(8), info[/^pos:\s*(\d+)/, 1].to_i)
      rescue SystemCallError
        nil
      end

      # +nil+ if the descriptor is not open.
      def self.link(number)
        File.readlink("/proc/self/fd/#{number}")
      rescue SystemCallError
        nil
      end

      def append?
        (flags & APPEND).positive?
      end

      def close_on_exec?
        (flags & CLOSE_ON_EXEC).positive?
      end

      def read_only?
        (flags & ACCESS) == File::RDONLY
      end

      # Whether the two may be the same open file. The name of a pipe or socket is its own; /dev/null may have been
      # opened twice, and then the flags differ mostly.
      def same?(other)
        link == other.link && (link.match?(/\A(pipe|socket):/) || (flags ^ other.flags) | CLOSE_ON_EXEC == CLOSE_ON_EXEC)
      end
    end
    private_constant :State

    # dup2, for IO#reopen of an object of our own does nothing else. It must not be one with autoclose off from the start:
    # Ruby takes such for standard streams, and keeps their access modes.
    def self.put(source, target, close_on_exec = false)
      io = IO.for_fd(target)
      io.reopen(IO.for_fd(source, autoclose: false))
      io.close_on_exec = close_on_exec
    ensure
      io.autoclose = false if io
    end

    # Puts descriptors on /dev/null.
    def self.null(*targets)
      File.open(File::NULL, 'r+') { |null| targets.each { |target| put(null.fileno, target) } }
    end

    # own::        numbers that are the library's
    # told_apart:: whether O_APPEND is set on setup's descriptor 1 and not on 2
    def initialize(own, told_apart)
      standard = STANDARD.map { |number| State.of(number) }
      others = (open_numbers - STANDARD - own).map { |number| State.of(number) }.compact
      @duplicates = others.map { |state| [state, original(state, standard, told_apart)] }.select(&:last)
      @files = others.select { |state| state.read_only? && File.file?("/proc/self/fd/#{state.number}") }
    end

    # Puts +numbers+ on 0, 1 and 2, as many as there are, and on their duplicates, and closes them.
    def take(numbers)
      numbers.each_with_index { |number, target| Descriptors.put(number, target) }
      numbers.each { |number| IO.for_fd(number).close }
      @duplicates.each do |state, standard|
        Descriptors.put(standard, state.number, state.close_on_exec?) if standard < numbers.size
      end
    end

    # Puts 0, 1 and 2 on /dev/null, and whatever else leads where they do: what is left of setup's duplicates, and what the
    # script has added. Before that it calls the block, and returns what that returns.
    def let_go
      links = STANDARD.map { |number| State.link(number) }
      candidates = (open_numbers - STANDARD).select { |number| links.include?(State.link(number)) }
      @duplicates = candidates.map { |number| State.of(number) }.compact.map do |state|
        [state, STANDARD.find { |number| State.of(number)&.same?(state) }]
      end.select(&:last)
      yield.tap { Descriptors.null(*STANDARD, *@duplicates.map { |state, _| state.number }) }
    end

    # Gives the regular files an offset of their own. One that cannot be opened any more, because the user has been
    # changed, say, is left as it is.
    def open_anew
      @files.each do |state|
        File.open("/proc/self/fd/#{state.number}") do |file|
          file.sysseek(state.offset)
          Descriptors.put(file.fileno, state.number, state.close_on_exec?)
        end
      rescue SystemCallError
        next
      end
    end

    private

    def open_numbers
      Dir.children('/proc/self/fd').map(&:to_i)
    end

    # Which of 0, 1, 2 the descriptor is a duplicate of, or +nil+.
    def original(state, standard, told_apart)
      stdin, stdout, stderr = standard
      return 0 if stdin && state.same?(stdin) && state.read_only?
      return if [stdout, stderr].compact.none? { |other| state.same?(other) }
      return state.append? ? 1 : 2 if told_apart

      stderr && state.same?(stderr) ? 2 : 1
    end
  end
end
