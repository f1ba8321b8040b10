# frozen_string_literal: true

module PreforkInterp
  # The ForkPoint is what the script has registered for its fork point, and the decision what is done there.
  # There is one in each process; it lives as long as the process does.
  class ForkPoint # :nodoc:
    # Files that the script wants to be looked at, as absolute paths.
    attr_reader :extra_files

    def initialize
      @before = []
      @after = []
      @extra_files = []
      @reached = false
      @accepted = false
      # Both as they are before the script can change them.
      @script = File.absolute_path($PROGRAM_NAME)
      @encoding = Encoding.default_external
    end

    # The QuickEnd, if executors may have one.
    attr_reader :quick_end

    # The script's absolute path, and the encoding of its arguments.
    attr_reader :script, :encoding

    # What runs in this executor, if this process is one; it is told when the process ends.
    attr_writer :executor

    # Asks for more time; false without a launcher that could give it.
    def extend_by(seconds)
      @bell && seconds.positive? ? Bell.ask(@bell, seconds) : false
    end

    def before_fork(&block)
      raise ArgumentError, 'before_fork needs a block' unless block

      @before << block
      nil
    end

    def after_fork(&block)
      raise ArgumentError, 'after_fork needs a block' unless block

      @after << block
      nil
    end

    def also_check(files)
      @extra_files.concat(files.map { |file| File.absolute_path(file) })
      nil
    end

    # Called by launch.rb, before Ruby parses the script: prepares for serving if the fork point is automatic.
    def launch
      text = ENV[HANDOVER] or return
      handover = Handover.parse(text)
      handover.close_on_exec
      @quick_end = QuickEnd.new if handover.native?
      return unless handover.automatic?

      ENV.delete(HANDOVER)
      @reached = true
      @bell = handover.bell
      @automatic = Automatic.new(self, handover)
      @automatic.run
    rescue ProtocolError => e
      die(e)
    end

    # The explicit fork point. Returns in executors, and where nothing has to be done.
    #
    # reuse:: whether the script can serve more than one request
    def complete(reuse: false, **options)
      return if @reached

      @reached = true
      text = ENV.delete(HANDOVER) or return
      also_check(options[:autoreload_extra])
      executor = serve(text, options, reuse)
      executor.begin
      nil
    end

    # The fork point as the head of a loop: whether there is a request.
    def accept(**options)
      return @executor ? @executor.next : false if @accepted

      @accepted = true
      complete(reuse: true, **options)
      true
    end

    def call_before_fork
      @before.each(&:call)
    end

    def call_after_fork
      @after.each(&:call)
    end

    # The very last at_exit block of this process.
    def at_end
      @automatic&.at_end
      @executor&.at_end
    end

    private

    # Not the class Handover's: a script that runs standalone does not load that.
    HANDOVER = 'PREFORK_INTERP'
    private_constant :HANDOVER

    # Without the script's at_exit blocks: it has not run.
    def die(error)
      STDERR.puts("prefork_interp: #{error.message}")
      exit!(1)
    end

    def serve(text, options, reuse)
      handover = Handover.parse(text)
      @bell = handover.bell
      files = LoadedFiles.new(self, features: options[:autoreload_inc])
      server = handover.native? ? Native.new(self, handover, files) : Version1.new(self, handover, files, options)
      server.preload if handover.native?
      call_before_fork
      server.serve(max_servers: options[:max_servers], reuse: reuse)
    rescue ProtocolError => e
      die(e)
    end
  end
end
