# frozen_string_literal: true

module PreforkInterp
  # The Handover is what the launcher says in the variable PREFORK_INTERP (protocol: The handover):
  #
  #   v1,1795242621.579386987 3,4,5,6 n1,automatic preload=json,cgi reuse=on
  #
  # Words and fields that are not known are skipped.
  class Handover # :nodoc:
    # When the launcher started: a Time.
    attr_reader :started

    # Numbers of descriptors.
    attr_reader :listen, :call, :watch_inner, :watch_outer

    # Name of the socket where a script asks for more time; nil without one.
    attr_reader :bell

    # Names to require in setup.
    attr_reader :preload

    # Reads +text+. Raises ProtocolError.
    def self.parse(text)
      new(*text.split(' '))
    end

    def initialize(version = '', numbers = '', *words)
      @started = start_of(version)
      @listen, @call, @watch_inner, @watch_outer = numbers_of(numbers)
      @dialect, @where = words.map { |word| word.split(',') }.find { |fields| fields.first == 'n1' }
      settings = words.map { |word| word.split('=', 2) }.select { |fields| fields.size == 2 }.to_h
      @preload = settings.fetch('preload', '').split(',')
      @reuse = settings['reuse'] == 'on'
      @bell = settings['extend']
    end

    def native?
      !@dialect.nil?
    end

    def automatic?
      native? && @where == 'automatic'
    end

    # Whether executors should serve more than one request with an automatic fork point, too.
    def reuse?
      @reuse
    end

    # Keeps what setup starts from holding the launcher's sockets. Raises ProtocolError.
    def close_on_exec
      [@listen, @call, @watch_inner, @watch_outer].each { |number| IO.for_fd(number, autoclose: false).close_on_exec = true }
    rescue Errno::EBADF
      raise ProtocolError, 'a descriptor of the handover is not open'
    end

    # Closes all but CALL, which is ctl from now on.
    def close_for_native
      [@listen, @watch_inner, @watch_outer].each { |number| IO.for_fd(number).close }
    end

    private

    def start_of(version)
      name, time = version.split(',')
      raise ProtocolError, "cannot speak what the handover offers: #{version.inspect}" unless name == 'v1'

      seconds, nanoseconds = time.to_s.split('.')
      Time.at(Integer(seconds, 10), Integer(nanoseconds, 10), :nanosecond)
    rescue ArgumentError, TypeError
      raise ProtocolError, "no time in the handover: #{version.inspect}"
    end

    def numbers_of(word)
      numbers = word.split(',').map { |number| Integer(number, 10) }
      raise ProtocolError, "too few descriptors in the handover: #{word.inspect}" if numbers.size < 4

      numbers
    rescue ArgumentError
      raise ProtocolError, "no descriptors in the handover: #{word.inspect}"
    end
  end
end
