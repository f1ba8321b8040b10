# frozen_string_literal: true

module PreforkInterp
  # Warnings are kept from when this object is made until +finish+, and given out by +repeat+. While it lasts, Warning has a
  # method of ours, and then its own again.
  class Warnings # :nodoc:
    # Without the warnings that methods are redefined.
    def self.quietly
      verbose = $VERBOSE
      $VERBOSE = nil
      yield
    ensure
      $VERBOSE = verbose
    end

    def initialize
      @kept = kept = []
      @original = Warning.method(:warn).unbind
      Warnings.quietly { Warning.define_singleton_method(:warn) { |*arguments, **options| kept << [arguments, options] } }
    end

    def finish
      Warnings.quietly do
        if @original.owner == Warning.singleton_class
          Warning.singleton_class.send(:define_method, :warn, @original)
        else
          Warning.singleton_class.send(:remove_method, :warn)
        end
      end
    end

    # Through Warning, which a script may have changed.
    def repeat
      @kept.each { |arguments, options| @original.arity == 1 ? Warning.warn(*arguments) : Warning.warn(*arguments, **options) }
    end
  end
end
