# frozen_string_literal: true

module PreforkInterp
  # Automatic is the fork point of a script that knows nothing of this library (protocol: The automatic fork point).
  # Before Ruby parses the script, what the script requires at its top is loaded. When Ruby has compiled the script and is
  # about to run it, requests are served. In an executor Ruby goes on and runs the script, which finds everything loaded.
  #
  # The script is +cold+ if setup looks at the request's environment or raises an exception.
  class Automatic # :nodoc:
    # The script cannot be warm; the message says why.
    class Cold < StandardError; end

    # Classes that a script opens, methods that it redefines, what it registers with libraries: Ruby can undo none of it.
    # A second run in the same process would not be the first one's equal.
    NO_REUSE = 'a Ruby script serves one request per process unless it says while PreforkInterp.accept: ' \
               'what it has defined cannot be undone'
    private_constant :NO_REUSE

    def initialize(fork_point, handover)
      @fork_point = fork_point
      @reuse = handover.reuse?
      files = LoadedFiles.new(fork_point, features: true)
      @server = Native.new(fork_point, handover, files)
      @watch = EnvironmentWatch.new
    end

    # Loads, and prepares for the moment when Ruby has compiled the script; Ruby does that when this has returned.
    def run
      changes = set_up
      @server.ctl.write_line('note', NO_REUSE) if @reuse
      @script = MainScript.new { @server.serve(changes: changes).begin }
    rescue Cold => e
      be_cold(e.message)
    end

    # At the end of a process that may be setup: Ruby could not compile the script, and has said so.
    def at_end
      be_cold("cannot compile the script: #{$!&.message}") if @script&.awaited?
    end

    private

    def be_cold(reason)
      Output.new
      @server.ctl.write_line('cold', reason)
      exit!(0)
    end

    # What setup has changed in its environment. Raises Cold.
    def set_up
      raise Cold, 'the first line of the script has -s: Ruby reads the arguments of a request' if switch_s?

      @watch.start
      load_requires
      @server.preload
      @fork_point.call_before_fork
      changes = @watch.finish
      raise Cold, @watch.reason if @watch.reason

      changes
    rescue Cold, SignalException
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException -- SystemExit and NoMemoryError are reasons, too
      raise Cold, "setup has raised #{describe(e)}"
    end

    # Ruby takes switches from the first line if it names Ruby. With -s it makes variables of the arguments when it parses
    # the script.
    def switch_s?
      File.open(@fork_point.script, &:gets)&.match?(/\A#!.*ruby.*\s-[[:alnum:]]*s/n)
    end

    def load_requires
      Requires.of(@fork_point.script).each { |statement| load_one(statement) }
    rescue SyntaxError => e
      raise Cold, "cannot parse the script: #{e.message}"
    end

    # What the script itself guards is no reason: it will find out again, and go on as it does.
    def load_one(statement)
      require statement.name
    rescue ScriptError, StandardError, SystemExit => e
      return if statement.guarded && !e.is_a?(SystemExit)

      raise Cold, "cannot load #{statement.name} (line #{statement.line}): #{describe(e)}"
    end

    # Class, message, place. The place is the first that is neither Ruby's nor ours.
    def describe(exception)
      place = (exception.backtrace || []).find { |line| !line.start_with?('<internal:', "#{FOLDER}/prefork_interp") }
      "#{exception.class}: #{exception.message}#{" (#{place[/\A.*?:\d+/]})" if place}"
    end
  end
end
