# frozen_string_literal: true

require_relative 'helper'
require 'prefork_interp' unless defined?(PreforkInterp)

# Which statements of a script are loaded in setup.
class TestRequires < Minitest::Test
  def names(code)
    Dir.mktmpdir do |folder|
      File.write("#{folder}/s.rb", code)
      folder = File.realpath(folder)
      PreforkInterp::Requires.of("#{folder}/s.rb").map { |statement| statement.name.sub("#{folder}/", './') }
    end
  end

  def test_literals_in_order
    assert_equal(%w[b a ./c ./d/e], names("require 'b'\nrequire \"a\"; require_relative 'c'\nrequire_relative('d/e')\n"))
    assert_equal([], names(''))
    assert_equal(['a'], names("require 'a'"))
    assert_equal([], names("puts 1\n__END__\nrequire 'a'\n"))
  end

  def test_computed_names_and_conditions_are_skipped
    assert_equal(%w[z], names("require x\nrequire \"a\#{1}\"\nload 'b.rb'\nrequire 'c' if true\nputs 'd'\nrequire 'z'\n"))
  end

  def test_guards
    code = "begin\n  require 'a'\n  require 'b'\nrescue LoadError\n  require 'c'\nend\nrequire 'd' rescue nil\nbegin\n  require 'e'\nensure\n  1\nend\n"
    assert_equal(%w[a b d e], names(code))
  end

  def test_stops_where_a_later_one_may_depend_on_it
    ['$:.unshift("x")', '$LOAD_PATH << "x"', '$" << 1', '$LOADED_FEATURES.clear', "ENV['X'] = '1'", "ENV['X'] ||= '1'", "ENV.delete('X')",
     "Dir.chdir('/')", "Gem.paths = {}", "gem 'x'", "autoload :X, 'x'", 'Bundler.require', "require 'bundler/setup'", "$where = '/'",
     "@where = '/'", "class X < Y\nend", "module X\nend", "if 1\n  $:.push('x')\nend", "[1].each { |x| $: << x }", 'x = ENV'].each do |statement|
      assert_equal(%w[a], names("require 'a'\n#{statement}\nrequire 'b'\n"), statement)
    end
  end

  def test_goes_on_after_the_rest
    ["X = 1", "def f\n  $: << 1\nend", "x = ENV['HOME']", "puts ENV.fetch('X', 1)", '$VERBOSE = nil', '$stdout.sync = true', 'include Y',
     "trap('INT') {}", '->() { $: << 1 }'].each do |statement|
      assert_equal(%w[a b], names("require 'a'\n#{statement}\nrequire 'b'\n"), statement)
    end
  end

  def test_no_parser_no_requires
    assert_raises(SyntaxError) { names('foo(') }
  end
end
