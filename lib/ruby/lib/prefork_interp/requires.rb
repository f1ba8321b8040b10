# frozen_string_literal: true

module PreforkInterp
  # The Requires are the statements at a script's top level that load something and that can be run before the script is:
  #
  #   require 'json'                      # literal
  #   require_relative 'lib/page'         # literal, relative to the script's real path
  #   begin                               # guarded: one that cannot be loaded is passed over
  #     require 'oj'
  #   rescue LoadError
  #   end
  #
  # They are read from the syntax tree, in order. The list stops before the first statement that a later one may depend on:
  # what changes where or how Ruby finds files (load path, environment, directory, gems), what a loaded file may read (global
  # variables, instance variables of main), and definitions of classes, which a loaded file may open again.
  # Everything else is skipped and not run: +load+, conditions, names that are computed.
  #
  # Where there is no RubyVM::AbstractSyntaxTree (it is CRuby's), the list is empty: only the interpreter is warm.
  class Requires # :nodoc:
    # guarded:: stands between begin and rescue
    Statement = Struct.new(:name, :line, :guarded)

    # Global variables that change nothing when set: leftovers of old Rubies, and the warnings.
    HARMLESS = %i[$SAFE $KCODE $VERBOSE $-w $stdout $stderr].freeze

    SEARCH = %i[$: $-I $LOAD_PATH $" $LOADED_FEATURES].freeze
    CONSTANTS = %i[Gem Bundler].freeze
    CALLS = %i[autoload gem chdir].freeze
    READS = %i[[] fetch key? has_key? include? member? values_at].freeze
    private_constant :HARMLESS, :SEARCH, :CONSTANTS, :CALLS, :READS

    # Statements of the file +script+. Raises SyntaxError.
    def self.of(script)
      defined?(RubyVM::AbstractSyntaxTree) ? new(script).statements : []
    end

    def initialize(script)
      @folder = File.dirname(File.realpath(script))
      verbose = $VERBOSE
      $VERBOSE = nil # Ruby warns again when it parses the script for a request
      @tree = RubyVM::AbstractSyntaxTree.parse_file(script)
    rescue SyntaxError
      # This parser does not say in which line. The compiler does.
      RubyVM::InstructionSequence.compile_file(script)
      raise
    ensure
      $VERBOSE = verbose
    end

    def statements
      found = top(@tree, false).map { |node, guarded| [node, statement(node, guarded)] }
      # Nothing behind the last one can matter.
      found.pop until found.empty? || found.last.last
      found.take_while { |node, statement| statement || !matters?(node) }.map(&:last).compact.take_while do |statement|
        !statement.name.start_with?('bundler')
      end
    end

    private

    # Nodes of the statements below +node+, each with whether it is guarded.
    def top(node, guarded)
      return [] unless node?(node)

      case node.type
      when :SCOPE then top(node.children[2], guarded)
      when :BLOCK then node.children.flat_map { |child| top(child, guarded) }
      when :BEGIN, :ENSURE then top(node.children[0], guarded)
      when :RESCUE then top(node.children[0], true) + top(node.children[2], guarded)
      else [[node, guarded]]
      end
    end

    # The Statement that +node+ is, or +nil+.
    def statement(node, guarded)
      return unless node.type == :FCALL

      name, arguments = node.children
      text = literal(arguments)
      case text && name
      when :require then Statement.new(text, node.first_lineno, guarded)
      when :require_relative then Statement.new(File.expand_path(text, @folder), node.first_lineno, guarded)
      end
    end

    # The only argument, if it is a string without interpolation.
    def literal(arguments)
      return unless node?(arguments)

      items = arguments.children.compact
      items.first.children.first if items.size == 1 && node?(items.first) && items.first.type == :STR
    end

    # Whether something below +node+ may matter to what is loaded later.
    def matters?(node)
      first, second = node.children
      case node.type
      when :CLASS, :MODULE, :SCLASS, :IASGN then true
      when :DEFN, :DEFS, :LAMBDA then false # nothing runs
      when :GVAR then SEARCH.include?(first)
      when :GASGN then !HARMLESS.include?(first)
      when :CONST then first == :ENV || CONSTANTS.include?(first)
      when :FCALL then CALLS.include?(first) || any_matters?(node)
      when :CALL then CALLS.include?(second) || any_matters?(node, read?(first, second) ? 1 : 0)
      else any_matters?(node)
      end
    end

    def any_matters?(node, skipped = 0)
      node.children.drop(skipped).any? { |child| node?(child) && matters?(child) }
    end

    # ENV['HOME'] and the like.
    def read?(receiver, method)
      node?(receiver) && receiver.type == :CONST && receiver.children == [:ENV] && READS.include?(method)
    end

    def node?(object)
      object.is_a?(RubyVM::AbstractSyntaxTree::Node)
    end
  end
end
