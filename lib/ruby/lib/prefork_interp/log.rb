# frozen_string_literal: true

module PreforkInterp
  # The Log is where a v1 server, which has no standard error of its own, says what has gone wrong: syslog.
  class Log # :nodoc:
    # facility:: name as of syslog(3), such as LOG_USER, user or local0; empty: silence
    def initialize(facility, script)
      @facility = facility.to_s.upcase.sub(/\A(?!LOG_|\z)/, 'LOG_')
      @name = File.basename(script)
    end

    # Ruby loads syslog with the first message only; where it is a gem that is not installed, nothing is said.
    def error(text)
      return if @facility.empty?

      require 'syslog'
      Syslog.open("#{@name}[prefork_interp]", Syslog::LOG_PID, Syslog.const_get(@facility)) { |log| log.err('%s', text) }
    rescue LoadError, NameError, RuntimeError
      nil
    end
  end
end
