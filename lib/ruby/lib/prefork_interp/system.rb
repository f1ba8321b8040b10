# frozen_string_literal: true

module PreforkInterp
  # Five things that Ruby's core cannot do: receive a descriptor, wait for one process with what it has used, wait for a
  # process and something else at once, say that a pipe has got all, and close a standard descriptor. They are system calls here. The library +socket+ could do the first, but takes
  # 4 ms to load (ruby 3.1), which is half of what this library may cost. Where the machine is not known, it is used after
  # all, memory is not measured, and standard descriptors stay open.
  module System # :nodoc:
    # Numbers by architecture: those that are 64 bits wide, because the structures below are.
    generic = { recvmsg: 212, wait4: 260, close: 57, fcntl: 25 }.freeze
    NUMBERS = {
      'x86_64-linux' => { recvmsg: 47, wait4: 61, close: 3, fcntl: 72 }.freeze,
      'aarch64-linux' => generic, 'riscv64-linux' => generic, 'loongarch64-linux' => generic
    }.freeze

    # The same number everywhere, since Linux 5.3.
    PIDFD_OPEN = 434

    # The size that a pipe gets to which all has been written that will be; docs/protocol.md, "The end of an executor".
    SET_PIPE_SIZE = 1031
    WHOLE = 32_768

    # From the kernel's headers: SOL_SOCKET, SCM_RIGHTS; MSG_CMSG_CLOEXEC; the control message that carries descriptors, its
    # length in bytes and the room for it: a head and up to four numbers.
    RIGHTS = [1, 1].freeze
    CMSG_CLOEXEC = 0x40000000
    CONTROL_HEAD = 16
    CONTROL = CONTROL_HEAD + 4 * 4

    # What is told of a number that is not known.
    UNKNOWN = 0xffffffffffffffff
    private_constant :PIDFD_OPEN, :SET_PIPE_SIZE, :WHOLE, :RIGHTS, :CMSG_CLOEXEC, :CONTROL_HEAD, :CONTROL

    # What a process has used: wait status, microseconds, bytes.
    Used = Struct.new(:status, :user, :system, :memory)

    @numbers = NUMBERS[RUBY_PLATFORM[/\A\w+-linux/]] if Kernel.respond_to?(:syscall, true)

    class << self
      # Seconds on a clock that nobody sets. (Ruby can do that, at some length.)
      def now
        Process.clock_gettime(Process::CLOCK_MONOTONIC)
      end

      # For tests: +nil+ makes everything go the portable way.
      attr_accessor :numbers

      # Reads what is there, at most +length+ bytes, from +io+, a socket: the bytes and the numbers of the descriptors that came
      # with them (they are close-on-exec), or +nil+ at end-of-file.
      def receive(io, length)
        return receive_portably(io, length) unless numbers

        bytes = buffer(length)
        control = buffer(CONTROL)
        vector = buffer(16, [address(bytes), length].pack('JJ'))
        # struct msghdr: name, its length, vector, its length, control, its length, flags.
        header = buffer(56, [0, 0, address(vector), 1, address(control), CONTROL, 0].pack('J7'))
        got = Wire.patiently([io]) { call(numbers[:recvmsg], io.fileno, address(header), CMSG_CLOEXEC) }
        [bytes.byteslice(0, got), descriptors(control)] unless got.zero?
      rescue Errno::ECONNRESET
        nil
      end

      # Reads one byte with one descriptor from +io+, a socket. Its number, or +nil+ at end-of-file.
      # Raises ProtocolError if the byte comes without.
      def receive_descriptor(io)
        _byte, numbers = receive(io, 1)
        return unless numbers
        raise ProtocolError, 'a byte without a descriptor' unless numbers.size == 1

        numbers.first
      end

      # Closes a standard descriptor, which IO#close leaves open.
      def close(number)
        call(numbers[:close], number) if numbers
      rescue Errno::EBADF
        nil
      end

      # Says to who reads from the pipe +number+ that all has been written. What is no pipe is left as it is.
      def whole(number)
        call(numbers[:fcntl], number, SET_PIPE_SIZE, WHOLE) if numbers
      rescue SystemCallError
        nil
      end

      # Waits for the child +pid+, and says what it has used. Leaves $? alone, which the next executor inherits.
      # Raises Errno::ECHILD.
      def wait(pid)
        return wait_portably(pid) unless numbers

        status = buffer(4)
        usage = buffer(144) # struct rusage: two times, the peak memory in KiB, and thirteen more
        call(numbers[:wait4], pid, address(status), 0, address(usage))
        user, user_us, system, system_us, memory = usage.unpack('q5')
        Used.new(status.unpack1('i'), user * 1_000_000 + user_us, system * 1_000_000 + system_us, memory * 1024)
      end

      # An IO that is readable when the child +pid+ has ended, or +nil+ where there is no such thing.
      def pidfd(pid)
        IO.for_fd(call(PIDFD_OPEN, pid, 0)) if numbers
      rescue SystemCallError
        nil
      end

      private

      # The warning that Ruby would rather have us use Fiddle (which takes longer to load than socket) is for others.
      def call(*arguments)
        verbose = $VERBOSE
        begin
          $VERBOSE = nil
          Kernel.syscall(*arguments)
        rescue Errno::EINTR
          retry
        ensure
          $VERBOSE = verbose
        end
      end

      # At least +length+ bytes for the kernel, in a string that shares them with no other and that is too long to be
      # stored in its object: where an object is, compaction may change.
      def buffer(length, content = '')
        content.b.ljust([length, 1024].max, "\0")
      end

      # Where a buffer's bytes are. The caller holds the buffer.
      def address(string)
        [string].pack('P').unpack1('J')
      end

      # The numbers in a control message; none if there is none.
      def descriptors(control)
        length, *kind = control.unpack('Jii')
        kind == RIGHTS ? control.unpack("x#{CONTROL_HEAD}i#{(length - CONTROL_HEAD) / 4}") : []
      end

      def receive_portably(io, length)
        require 'socket'
        socket = UNIXSocket.for_fd(io.fileno)
        socket.autoclose = false
        bytes, _sender, _flags, *controls = socket.recvmsg(length, scm_rights: true)
        return if bytes.nil? || bytes.empty?

        received = controls.flat_map { |control| control.unix_rights || [] }
        received.each { |io| io.autoclose = false }
        [bytes, received.map(&:fileno)]
      end

      # A thread has a $? of its own.
      def wait_portably(pid)
        before = Process.times
        status = Thread.new { Process.wait2(pid).last }.tap { |thread| thread.report_on_exception = false }.value
        after = Process.times
        used = [after.cutime - before.cutime, after.cstime - before.cstime].map { |seconds| (seconds * 1_000_000).round }
        Used.new(status.to_i, *used, UNKNOWN)
      end
    end
  end
end
