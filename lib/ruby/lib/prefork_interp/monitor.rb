# frozen_string_literal: true

module PreforkInterp
  # The Monitor is the process between a v1 server and an executor (protocol: v1, step 5 and 6). It takes the call, forks the
  # executor, and tells its wait status when it has ended. It lives as long as the call.
  class Monitor # :nodoc:
    # lead:: words that may come before the arguments and do not belong to them
    def initialize(call, executor, lead)
      @call = call
      @executor = executor
      @lead = lead
    end

    # Returns in the executor only: the Executor, which has its request.
    def run
      Process.setpgid(0, 0)
      Wire.write(@call, Wire::GREETING)
      numbers, request = take_request
      return become(numbers, request) unless (pid = Process.fork)

      numbers.each { |number| IO.for_fd(number).close }
      tell(watch(pid))
      exit!(0)
    rescue Errno::EPIPE
      exit!(0)
    rescue ProtocolError, SystemCallError => e
      Wire.end_with(e)
    end

    private

    # End-of-file before the request is complete: the launcher has gone, and nothing has been run.
    def take_request
      exit!(0) unless Request.go_on?(@call)
      numbers = Array.new(3) { System.receive_descriptor(@call) || exit!(0) }
      [numbers, Request.read(@call) || exit!(0)]
    end

    def become(numbers, request)
      @call.close
      @executor.prepare(numbers)
      @executor.request = request.without(@lead)
      @executor
    end

    # Waits for the executor, and interrupts it when the launcher goes. We wait for the process and not, as others do, for
    # the end of a pipe: its status is its own then. Where there are no pidfds, nobody sees the launcher go.
    def watch(pid)
      ended = System.pidfd(pid)
      IO.select([@call, ended]).first.include?(ended) || interrupt if ended
      System.wait(pid).status
    end

    def interrupt
      trap('INT', 'IGNORE')
      Process.kill('INT', 0)
    end

    def tell(status)
      Wire.write(@call, [status].pack('N'))
    end
  end
end
