# frozen_string_literal: true

module PreforkInterp
  # The Executor is the process of one call. This object is made in the server at the fork point, where it notes how things
  # are; each process that is forked uses its copy (protocol: What an executor does).
  class Executor # :nodoc:
    # fork_point:: the ForkPoint
    # own::        numbers of the library's descriptors: not the script's
    # told_apart:: whether setup's standard output and error can be told apart by O_APPEND
    # changes::    what setup has changed in its environment, a Hash with +nil+ for deleted; explicit: empty
    # reporter::   an Inbox to which files that are loaded later are reported, or +nil+
    def initialize(fork_point, own:, told_apart:, changes: {}, reporter: nil)
      @fork_point = fork_point
      @changes = changes
      @reporter = reporter
      @descriptors = Descriptors.new(own, told_apart)
      @signals = Signals.new
      # What is left now would be sent by each executor.
      @output = Output.new(own)
      fork_point.quick_end&.harmless?
    end

    # Steps 2 to 4, at fork. +numbers+ are three descriptors, which are closed.
    def prepare(numbers)
      @pid = Process.pid
      @descriptors.take(numbers)
      @descriptors.open_anew
      @signals.restore
      Kernel.srand
    end

    # The Request, once it is there; its descriptors are closed.
    def request=(request)
      @descriptors.take(request.descriptors)
      @environment = request.environment.merge(@changes).compact
      @arguments = request.arguments
    end

    # Says that so many requests may come on +call+, the call socket, with this one; it can be closed then.
    def reuse(call, requests)
      @reuse = Reuse.new(call, requests, @descriptors, @output)
    end

    # Steps 5 to 8. What the script's own functions raise comes out of this.
    def begin
      show_request
      @fork_point.executor = self
      @fork_point.call_after_fork
    end

    # Ends the request and waits for the next one: whether there is one.
    def next
      return false unless @reuse && own_process? && @reuse.possible?

      report
      request = @reuse.next or return false
      self.request = request
      show_request
      true
    end

    # Reports what the script has loaded, and ends the process if it can. Not in a process that the script has forked.
    def at_end
      return unless own_process?

      status = @fork_point.quick_end&.prepare(@output)
      report
      exit!(status) if status
    end

    private

    def show_request
      ENV.replace(@environment)
      ARGV.replace(@arguments.map { |argument| as_argument(argument) })
      @environment = @arguments = nil
    end

    def own_process?
      @pid == Process.pid
    end

    def report
      @reporter&.report
    end

    # As Ruby makes its own ARGV.
    def as_argument(string)
      string.force_encoding(@fork_point.encoding)
      string.force_encoding(Encoding::BINARY) if string.encoding == Encoding::US_ASCII && !string.ascii_only?
      string.freeze
    end
  end
end
