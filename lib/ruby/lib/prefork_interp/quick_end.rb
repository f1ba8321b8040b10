# frozen_string_literal: true

module PreforkInterp
  # The QuickEnd is how an executor ends when nothing is left that anybody could tell from Ruby's own end. That one frees
  # every object by itself, and so copies most pages that the executor shares with the server: it costs more than all the
  # rest of a small request.
  #
  # Left would be: an exception to be printed, threads with an +ensure+, finalizers, objects of C libraries that do
  # something when they are freed, and what others have registered to be called after us.
  class QuickEnd # :nodoc:
    # Ruby's own C libraries whose objects are memory and no more. (Not zlib: it complains of what has not been closed.)
    HARMLESS = %r{\A\w+\.so\z|
                  /(?:enc/(?:trans/)?\w+|cgi/escape|erb/escape|json/ext/\w+|digest/\w+|io/(?:console|nonblock|wait)|racc/cparse|
                      bigdecimal|date_core|digest|etc|fcntl|monitor|nkf|openssl|pathname|psych|rbconfig|ripper|socket|stringio|
                      strscan)\.so\z}x.freeze
    private_constant :HARMLESS

    # Sees that a finalizer is defined, of a Tempfile for instance. Ruby does not tell of it.
    module Finalizers
      class << self
        attr_accessor :defined
      end

      def define_finalizer(*)
        Finalizers.defined = true
        super
      end
    end

    # Made when launch.rb is loaded.
    def initialize
      @last = first_library?
      ObjectSpace.singleton_class.prepend(Finalizers)
      @looked_at = []
    end

    # Whether all libraries are harmless. Looked at once, at the fork point, and again if there are more.
    def harmless?
      return @harmless if @looked_at == $LOADED_FEATURES

      @looked_at = $LOADED_FEATURES.dup
      @harmless = @looked_at.all? { |path| !path.end_with?('.so') || HARMLESS.match?(path) }
    end

    # In the last at_exit block: sends what has been written and closes the standard descriptors. The status with which the
    # process can end now; +nil+ if it must go Ruby's way, and then nothing has been closed.
    #
    # output:: the Output
    def prepare(output)
      status = status_of($!)
      return unless status && @last && nothing_left? && output.flush

      System.whole(1)
      [1, 2, 0].each { |number| System.close(number) }
      status
    end

    private

    def status_of(exception)
      return 0 unless exception

      exception.status if exception.instance_of?(SystemExit)
    end

    def nothing_left?
      Thread.list.size == 1 && (!defined?(Ractor) || Ractor.count == 1) && !Finalizers.defined && harmless?
    end

    # Whether no library has been loaded before us by a switch: what it has registered would run after us.
    def first_library?
      words = File.binread('/proc/self/cmdline').split("\0").drop(1)
      words.find { |word| word.match?(/\A-\w*r/) || !word.start_with?('-') }&.end_with?('/launch.rb') && !ENV['RUBYOPT'].to_s.match?(/-\w*r/)
    end
  end
end
