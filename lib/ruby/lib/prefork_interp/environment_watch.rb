# frozen_string_literal: true

module PreforkInterp
  # An EnvironmentWatch notes whether setup looks at what belongs to a request, and what it changes (protocol: The automatic
  # fork point). While it lasts, ENV has methods of ours; when it ends, ENV has its own again, the very same, so that nothing
  # of the watch is left in an executor. ENV stays one object.
  #
  # A C library that calls getenv and a program that setup starts are not seen.
  class EnvironmentWatch # :nodoc:
    REQUEST = %w[QUERY_STRING REQUEST_METHOD REQUEST_URI PATH_INFO PATH_TRANSLATED SCRIPT_NAME SCRIPT_FILENAME CONTENT_LENGTH
                 CONTENT_TYPE AUTH_TYPE HTTPS DOCUMENT_ROOT REQUEST_SCHEME].freeze
    PREFIXES = /\A(HTTP_|REMOTE_|SERVER_(?!SOFTWARE\z))/.freeze

    # Methods whose first argument is a name, or all of whose arguments are, or the keys of whose arguments are.
    ONE_NAME = %i[[] fetch []= store delete include? member? has_key? key? assoc].freeze
    ALL_NAMES = %i[values_at slice].freeze
    KEYS = %i[update merge!].freeze

    # Methods that list the environment. Those of Enumerable call each.
    LISTING = %i[each each_pair each_key each_value keys values to_a to_h to_hash select filter select! filter! reject reject!
                 delete_if keep_if invert inspect key rassoc has_value? value? clear replace shift except].freeze
    private_constant :REQUEST, :PREFIXES, :ONE_NAME, :ALL_NAMES, :KEYS, :LISTING

    # Why the script must be cold, or +nil+.
    attr_reader :reason

    def start
      @before = ENV.to_h
      @originals = (ONE_NAME + ALL_NAMES + KEYS + LISTING).select { |name| ENV.singleton_methods.include?(name) }.to_h do |name|
        [name, ENV.singleton_class.instance_method(name)]
      end
      Warnings.quietly { @originals.each { |name, original| cover(name, original) } }
    end

    # Ends the watch. Returns what has been changed: a Hash, with +nil+ for what has been deleted.
    def finish
      Warnings.quietly do
        @originals.each { |name, original| ENV.singleton_class.send(:define_method, name, original) }
      end
      after = ENV.to_h
      (@before.keys - after.keys).to_h { |name| [name, nil] }.merge(after.reject { |name, value| @before[name] == value })
    end

    private

    def cover(name, original)
      watch = self
      ENV.define_singleton_method(name) do |*arguments, &block|
        watch.send(:look, name, arguments)
        original.bind(self).call(*arguments, &block)
      end
    end

    # Only the first look is told.
    def look(method, arguments)
      return if @reason

      what = LISTING.include?(method) ? 'listed the environment' : request_variable(method, arguments)
      @reason = "setup has #{what} at #{place}" if what
    end

    def request_variable(method, arguments)
      names = ONE_NAME.include?(method) ? arguments.first(1) : arguments
      names = arguments.grep(Hash).flat_map(&:keys) if KEYS.include?(method)
      name = names.find { |candidate| candidate.is_a?(String) && (REQUEST.include?(candidate) || PREFIXES.match?(candidate)) }
      name && "looked at #{name}"
    end

    # The first that is neither ours nor Ruby's own.
    def place
      location = caller_locations.find { |frame| !frame.path.start_with?('<internal:', "#{FOLDER}/prefork_interp") }
      location ? "#{location.path}:#{location.lineno}" : 'an unknown place'
    end
  end
end
