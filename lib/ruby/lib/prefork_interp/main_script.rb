# frozen_string_literal: true

module PreforkInterp
  # The MainScript is the script as Ruby itself parses and compiles it, once, in setup. The fork point is behind that and
  # before its first statement, BEGIN included: every executor has the compiled script, DATA and $VERBOSE as Ruby has made
  # them, and the stack is empty.
  #
  # What Ruby warns of meanwhile is kept, for each request has to see it (Warnings).
  class MainScript # :nodoc:
    # How Ruby calls the outermost part of the main script, and of nothing else that it compiles.
    LABEL = '<main>'
    private_constant :LABEL

    # Calls the block when the script is compiled. What it raises is raised by the script, at its very beginning.
    def initialize
      @warnings = Warnings.new
      @trace = TracePoint.new(:script_compiled) do |event|
        next unless event.instruction_sequence.label == LABEL

        @trace.disable
        @warnings.finish
        yield
        @warnings.repeat
      end
      @trace.enable
    end

    # Whether the script is still to be compiled.
    def awaited?
      @trace.enabled?
    end
  end
end
