# frozen_string_literal: true

module PreforkInterp
  # The Signals are how the script has set them at the fork point. In the server all are at their defaults: the script's
  # handlers belong to its executors, and one that ignores SIGCHLD must not break the server's waiting
  # (protocol: What an executor does, step 4). Ruby has no alarm, so there is none to keep.
  class Signals # :nodoc:
    # Ruby keeps these for itself, or nobody can set them; EXIT is no signal but an at_exit block.
    RESERVED = %w[EXIT KILL STOP SEGV BUS ILL FPE VTALRM IOT CLD].freeze

    # Ruby's own handlers, which do nothing: a write fails with EPIPE, a wait finds the child. For all others the system's
    # default, so that a server that is told to end does so without running the script's +ensure+ and +at_exit+.
    HARMLESS = %w[PIPE CHLD].freeze
    private_constant :RESERVED, :HARMLESS

    # Notes all handlers and resets them.
    def initialize
      ignored = File.read('/proc/self/status')[/^SigIgn:\s*(\h+)/, 1].to_i(16)
      names = Signal.list.reject { |name, _| RESERVED.include?(name) }.to_a.uniq(&:last) # IO and POLL are one
      @handlers = names.to_h do |name, number|
        handler = trap(name, HARMLESS.include?(name) ? 'DEFAULT' : 'SYSTEM_DEFAULT')
        [name, handler || unnamed(name, (ignored >> (number - 1)).odd?)]
      end
    end

    # Puts everything back.
    def restore
      @handlers.each { |name, handler| trap(name, handler) }
    end

    private

    # What it is when Ruby answers nil: ignored, or a handler that is not Ruby's to name. For SIGCHLD always the former; there
    # Ruby 2.6 to 3.2 keep a handler of their own even so. (When the script has said 'IGNORE' and not nil, those
    # Rubies answer "DEFAULT", and that is what the executor gets.)
    def unnamed(name, ignored)
      ignored || name == 'CHLD' ? 'IGNORE' : 'DEFAULT'
    end
  end
end
