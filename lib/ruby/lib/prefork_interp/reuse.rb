# frozen_string_literal: true

module PreforkInterp
  # Reuse is how an executor that may serve more than one request goes from one to the next (protocol: Persistent
  # executors). It is made when the first request is there, and keeps the call socket open under a number that is out of
  # the script's way.
  #
  # It does what the loop of FastCGI does and a little more: environment, arguments, standard descriptors, directory and umask are
  # those of a new request. Everything else is as the script has left it.
  class Reuse # :nodoc:
    # From fcntl.h, and the first number that may be taken.
    F_DUPFD_CLOEXEC = 1030
    HIGH = 10
    private_constant :F_DUPFD_CLOEXEC, :HIGH

    # call::        the call socket, which the caller may close
    # requests::    how many, with the one that is there
    # descriptors:: the Descriptors of the executor
    # output::      its Output
    def initialize(call, requests, descriptors, output)
      @call = IO.for_fd(call.fcntl(F_DUPFD_CLOEXEC, HIGH))
      @left = requests - 1
      @descriptors = descriptors
      @output = output
      @umask = File.umask
      @directory = Dir.pwd
    end

    # Whether another request can be served: some are left, everything of this one has been sent, and what must be
    # put back can be. If not, the process must end as it is.
    def possible?
      @left -= 1
      @left >= 0 && standard_open? && put_back && @output.flush || close
    end

    # Says that the request has ended and waits for the next one. A Request, or +nil+ if none will come; then the script ends,
    # and nobody hears it.
    #
    # The output ends after that: the launcher has the status when it sees that end, and is not woken for it. As little
    # as can be is done between the last output, for which it is woken, and its end.
    def next
      output = @descriptors.let_go { IO.for_fd(STDOUT.fcntl(F_DUPFD_CLOEXEC, HIGH)) }
      Wire.write(@call, [0].pack('N'))
      output.close
      forget_input
      Request.receive(@call, 3) || close
    rescue Errno::EPIPE
      close
    rescue ProtocolError, SystemCallError => e
      Wire.end_with(e)
    end

    private

    def standard_open?
      [STDIN, STDOUT, STDERR].none?(&:closed?)
    end

    def put_back
      File.umask(@umask)
      Dir.chdir(@directory) unless Dir.pwd == @directory
      true
    rescue SystemCallError
      false
    end

    # What has been read ahead, which ends now that the descriptor is at its end, and the number of the line.
    def forget_input
      STDIN.read
      STDIN.lineno = 0
    end

    def close
      @call.close
      @left = 0
      nil
    end
  end
end
