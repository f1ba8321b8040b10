# frozen_string_literal: true

require_relative 'helper'

# What makes a script with an automatic fork point cold, and what the launcher is told.
class TestCold < ScriptTest
  def reason(code, script = "require_relative 'part'\n")
    file('part.rb', code)
    launcher(file('a.rb', script)).cold_reason
  end

  def test_looks_at_the_request
    place = "at #{@folder}/part.rb:2"
    { "ENV['QUERY_STRING']" => 'looked at QUERY_STRING', "ENV.fetch('HTTP_HOST', 1)" => 'looked at HTTP_HOST',
      "ENV['HTTPS'] ||= '1'" => 'looked at HTTPS', "ENV.key?('REMOTE_ADDR')" => 'looked at REMOTE_ADDR',
      "ENV.values_at('HOME', 'SERVER_NAME')" => 'looked at SERVER_NAME', 'ENV.to_h' => 'listed the environment',
      "ENV.update('PATH_INFO' => 'x')" => 'looked at PATH_INFO', 'ENV.map { 1 }' => 'listed the environment',
      'ENV.keys' => 'listed the environment', 'ENV.each { |k, v| v }' => 'listed the environment' }.each do |code, what|
      assert_equal("setup has #{what} #{place}", reason("\n#{code}\n"))
    end
  end

  def test_may_look_at_the_rest
    file('part.rb', "ENV['HOME']\nENV['SERVER_SOFTWARE']\nENV['TZ'] = 'UTC'\nENV.fetch('X', 1)\nENV.delete('Y')\n")
    assert_equal('ok', warm(file('a.rb', "require_relative 'part'\nprint 'ok'")).run.out)
  end

  def test_exceptions
    place = "(#{@folder}/part.rb:1)"
    { "raise 'no'" => "RuntimeError: no #{place}", 'exit 3' => "SystemExit: exit #{place}", "require 'no_such'" => 'LoadError: cannot load',
      'foo(' => 'SyntaxError: ', 'raise Exception, "e"' => 'Exception: e' }.each do |code, text|
      assert_includes(reason(code), text)
    end
  end

  def test_script_that_cannot_be_parsed_or_whose_library_is_missing
    assert_match(/\Acannot parse the script: .*a.rb:2/, reason('', "\nfoo(\n"))
    assert_match(/\Acannot load no_such \(line 2\): LoadError: cannot load such file -- no_such/, reason('', "\nrequire 'no_such'\n"))
  end

  def test_script_that_cannot_be_compiled
    assert_match(/\Acannot compile the script: /, reason('', "require 'json'\nbreak\n"))
  end

  def test_switch_that_reads_arguments
    ['#!/usr/bin/ruby -s', '#!/usr/bin/env ruby -ws'].each { |first| assert_match(/has -s/, reason('', "#{first}\np $x\n")) }
    assert_equal('1', warm(file('a.rb', "#!/usr/bin/ruby -w --disable-did_you_mean\nprint 1\n")).run.out)
  end

  def test_hook_that_fails
    assert_match(/setup has raised RuntimeError: hook/, reason("PreforkInterp.before_fork { raise 'hook' }\n"))
  end

  def test_reason_is_one_line
    refute_includes(reason('raise "a\nb"'), "\n")
  end
end
