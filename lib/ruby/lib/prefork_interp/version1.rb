# frozen_string_literal: true

require 'socket'

module PreforkInterp
  # Version1 is the server of the dialect that Debian's prefork-interp speaks (protocol: v1).
  #
  #   SETUP --- fork, exit 0
  #     '--> SERVER                own session; waits for LISTEN, WATCHE and the ends of its monitors
  #            '--> MONITOR        one per call: first on CALL, then on each connection
  #                   '--> EXECUTOR
  class Version1 # :nodoc:
    def initialize(fork_point, handover, files, options)
      @fork_point = fork_point
      @handover = handover
      @files = files
      @idle_timeout = options[:idle_timeout] unless options[:idle_timeout]&.negative?
      @max_errors = options[:max_errors]
      @log = Log.new(options[:log_facility], fork_point.script)
      @monitors = {} # pid => pidfd, or nil where there are none
      @errors = 0
    end

    # The fork point. Returns in executors only: the Executor, which has its request.
    #
    # max_servers:: how many monitors at once; negative: no limit
    def serve(max_servers: nil, **)
      @max_servers = max_servers || 4
      @handover.close_on_exec
      Output.new
      exit!(0) if Process.fork
      Process.setsid
      at_fork_point
      first = start_monitor(UNIXSocket.for_fd(@handover.call))
      return first if first

      Descriptors.null(0, 1, 2)
      wait_for_calls
    end

    private

    # The command line of setup up to the script's name: the reference client sends that much of it before the arguments of
    # each call, and others do not (protocol: v1).
    def lead
      File.binread('/proc/self/cmdline').split("\0", -1)[0...-(ARGV.size + 1)]
    end

    def at_fork_point
      @listen = UNIXServer.for_fd(@handover.listen)
      @watch_outer = IO.for_fd(@handover.watch_outer)
      @watch_inner = IO.for_fd(@handover.watch_inner)
      own = [@handover.listen, @handover.call, @handover.watch_inner, @handover.watch_outer]
      @executor = Executor.new(@fork_point, own: own, told_apart: @handover.native?)
      Process.respond_to?(:warmup) ? Process.warmup : GC.start
    end

    # Returns in executors only.
    def wait_for_calls
      @last_call = System.now
      loop do
        ready = wait
        reap
        finish if ready.nil? && time_left.zero?
        next unless ready

        heed_watcher if ready.include?(@watch_outer)
        executor = accept if ready.include?(@listen)
        return executor if executor
      end
    end

    # Waits for what may happen next. When there are enough monitors, not for connections: they stay in the queue.
    def wait
      # Without pidfds there is only one way to wait for a monitor.
      @monitors.delete(waited(-1, 0)) if full? && @monitors.value?(nil)
      wanted = [@watch_outer, *@monitors.values.compact]
      wanted << @listen unless full?
      IO.select(wanted, nil, nil, time_left)&.first
    end

    # Until the server has been idle for too long: seconds, or +nil+ for ever.
    def time_left
      @idle_timeout && [@last_call + @idle_timeout - System.now, 0].max
    end

    def full?
      @max_servers >= 0 && @monitors.size >= [@max_servers, 1].max
    end

    def reap
      @monitors.keys.each do |pid|
        @monitors.delete(pid)&.close if waited(pid, Process::WNOHANG)
      end
    end

    # A thread has a $? of its own. Ours must stay as it is, for executors inherit it.
    def waited(pid, flags)
      Thread.new { Process.wait(pid, flags) }.value
    end

    def heed_watcher
      text = @watch_outer.read_nonblock(4096, exception: false)
      return if text == :wait_readable

      finish(text && "the watcher says: #{text}")
    end

    # The connection that waits is reset when the server ends, and the launcher makes a new server.
    # Returns what start_monitor does.
    def accept
      @last_call = System.now
      finish if out_of_date?
      call = @listen.accept_nonblock(exception: false)
      return if call == :wait_readable

      executor = start_monitor(call)
      @errors = 0
      executor
    rescue SystemCallError => e
      call.close if call.is_a?(IO)
      @errors += 1
      @log.error("cannot accept a call: #{e.message}")
      finish("#{@errors} errors in a row") if @errors >= @max_errors
    end

    # A file that has gone is not newer.
    def out_of_date?
      @files.all.any? { |path| File.exist?(path) && File.mtime(path) > @handover.started }
    end

    # Forks a monitor. In the executor that this one forks: the Executor; in the server +nil+.
    def start_monitor(call)
      pid = Process.fork
      unless pid
        [@listen, @watch_outer, @watch_inner, *@monitors.values.compact].each(&:close)
        return Monitor.new(call, @executor, lead).run
      end

      @monitors[pid] = System.pidfd(pid)
      call.close
    end

    # Ends the server, with a reason if there is one that somebody should read.
    def finish(reason = nil)
      @log.error(reason) if reason
      exit!(0)
    end
  end
end
