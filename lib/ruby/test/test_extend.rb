# frozen_string_literal: true

require_relative 'helper'

# Asking the launcher for more time.
class TestExtend < ScriptTest
  SCRIPT = <<~'RUBY'
    require 'prefork_interp'
    PreforkInterp.prefork_initialisation_complete
    print PreforkInterp.extend(Float(ARGV[0])), ENV.keys.grep(/PREFORK/)
  RUBY

  def setup
    super
    @name = "prefork-test-#{Process.pid}"
    @bell = Socket.new(:UNIX, :STREAM)
    @bell.bind([Socket::AF_UNIX, "\0#{@name}"].pack('Sa*'))
    @bell.listen(5)
  end

  def teardown
    @bell.close
    super
  end

  # What the script has asked for, and says when it is answered so.
  def ask(launcher, seconds, answer)
    asked = nil
    bell = Thread.new do
      script, = @bell.accept
      asked = script.recv(9).unpack1('N')
      script.write(answer)
      script.close
    end
    said = launcher.run({}, [seconds]).to_a[0, 3]
    bell.join
    [asked, *said]
  end

  def test_it_is_what_the_launcher_says
    warm = warm(file('a.rb', SCRIPT), mode: 'explicit', words: "extend=#{@name}")
    assert_equal([1500, 'true[]', '', 0], ask(warm, '1.5', "\1"))
    assert_equal([60_000, 'false[]', '', 0], ask(warm, '60', "\0"))
    assert_equal([60_000, 'false[]', '', 0], ask(warm, '60', ''))
    assert_equal([0xffffffff, 'true[]', '', 0], ask(warm, '9e9', "\1"))
    assert_equal(['false[]', '', 0], warm.run({}, ['0']).to_a[0, 3], 'no time at all is not asked for')
  end

  def test_without_anybody_there_it_is_refused
    script = file('a.rb', SCRIPT)
    assert_equal(['false[]', '', 0], warm(script, mode: 'explicit').run({}, ['60']).to_a[0, 3])
    @bell.close
    assert_equal(['false[]', '', 0], warm(script, mode: 'explicit', words: "extend=#{@name}").run({}, ['60']).to_a[0, 3])
  end

  def test_with_modules_it_is_what_every_object_has
    script = file('b.rb', "require 'prefork_interp'\nmodule M; def m = 7; end\nPreforkInterp.extend(M)\nprint PreforkInterp.m\n")
    assert_equal('7', warm(script, mode: 'automatic').run.to_a[0])
  end
end
