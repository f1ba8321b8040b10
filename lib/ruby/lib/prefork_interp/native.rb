# frozen_string_literal: true

module PreforkInterp
  # Native is the server of the native dialect (protocol: Native). It waits for the next message on ctl, and for nothing
  # else: no timer, no signal handler, no second descriptor.
  #
  #   ctl  <-- file, miss, note, PFN, done, fail --   SERVER --- fork ---> EXECUTOR
  #        --- fork + 4 descriptors, reap -->
  class Native # :nodoc:
    attr_reader :ctl

    def initialize(fork_point, handover, files)
      raise ProtocolError, 'this Ruby cannot fork' unless Process.respond_to?(:fork)

      @fork_point = fork_point
      @handover = handover
      @files = files
      @ctl = Ctl.new(handover.call)
      @executors = Executors.new
    end

    # Loads what the handover names. What cannot be loaded is told, and that is all.
    def preload
      @handover.preload.each do |name|
        require name
      rescue ScriptError, StandardError, SystemExit => e
        @ctl.write_line('note', "cannot preload #{name}: #{e.message}")
      end
    end

    # The fork point. Returns in executors only: the Executor, which has its request.
    #
    # max_servers:: told to the launcher, if given
    # changes::     what setup has changed in its environment (see Executor)
    # reuse::       whether an executor can serve more than one request
    def serve(max_servers: nil, changes: {}, reuse: false)
      at_fork_point(changes)
      @ctl.write_files(@files.fresh)
      @ctl.write_missed(@files.missed)
      @ctl.write_ready(ready(max_servers, reuse))
      wait_for_messages || finish(0)
    rescue ProtocolError => e
      STDERR.puts("prefork_interp: #{e.message}")
      finish(Wire::NONSENSE)
    rescue Errno::EPIPE, Errno::ECONNRESET
      finish(0)
    end

    private

    def at_fork_point(changes)
      @handover.close_for_native
      @inbox = Inbox.new(@files)
      @executor = Executor.new(@fork_point, own: own, told_apart: true, changes: changes, reporter: @inbox)
      # Loaded here and not by each executor.
      %i[Request Reuse].each { |name| PreforkInterp.const_get(name) }
      # What is garbage now would be copied by each executor that collects.
      Process.respond_to?(:warmup) ? Process.warmup : GC.start
    end

    def own
      [@ctl.number, *@inbox.numbers]
    end

    def ready(max_servers, reuse)
      values = { 'library' => "prefork_interp #{VERSION} (Ruby)", 'fds' => own.join(','), 'rights' => 4 }
      values['max_servers'] = max_servers if max_servers
      values['reuse'] = 1 if reuse
      values
    end

    # The Executor in an executor; +nil+ in the server when ctl has ended.
    def wait_for_messages
      while (type, payload = @ctl.read)
        id, requests = payload.unpack('NN')
        case type
        when 'fork' then (executor = fork(id, requests || 1)) && (return executor)
        when 'reap' then reap(id)
        else raise ProtocolError, "cannot understand the message #{type.inspect}"
        end
      end
    end

    def fork(id, requests)
      numbers = @ctl.receive(4) or return
      in_executor = @executors.fork(id).nil?
      return take_call(requests, *numbers) if in_executor

      close(numbers)
    rescue SystemCallError => e
      close(numbers)
      @ctl.write('fail', [id, e.message].pack('Na*'))
      nil
    end

    def close(numbers)
      numbers.each { |number| IO.for_fd(number).close }
      nil
    end

    def reap(id)
      used = @executors.reap(id) or return
      @ctl.write_files(@files.note(@inbox.drain))
      @ctl.write('done', [id, used.status, used.user, used.system, used.memory].pack('NNQ>3'))
    end

    def finish(status)
      @executors.finish
      exit!(status)
    end

    # ---- from here on in the executor ----

    # Everything until the request is there. No exception comes out of this: neither the server's code nor the script must
    # see one.
    def take_call(requests, call, *standard)
      @ctl.close
      @inbox.close
      @executor.prepare(standard)
      call = IO.for_fd(call)
      Wire.write(call, Wire::GREETING)
      @executor.request = Request.receive(call, 1) || exit!(0)
      @executor.reuse(call, requests) if requests > 1
      call.close
      @executor
    rescue Errno::EPIPE
      exit!(0)
    rescue ProtocolError, SystemCallError => e
      Wire.end_with(e)
    end
  end
end
