# frozen_string_literal: true

require_relative 'helper'

# The explicit fork point in the native dialect.
class TestExplicit < ScriptTest
  def explicit(code, before: '', options: '', **more)
    script = file('a.rb', "require 'prefork_interp'\n#{before}\nPreforkInterp.prefork_initialisation_complete(#{options})\n#{code}\n")
    launcher(script, mode: 'explicit', **more)
  end

  def ready(...)
    explicit(...).tap(&:ready)
  end

  def test_returns_once_for_each_request
    warm = ready('p ARGV, ENV.to_h, $stdin.read, $$ == Process.pid, caller, $?, $!, defined?(DATA), x; exit 3', before: 'x = 1')
    warm.run
    result = warm.run({ 'A' => 'b' }, %w[1 2], stdin: 'in')
    assert_equal(["[\"1\", \"2\"]\n{\"A\"=>\"b\"}\n\"in\"\ntrue\n[]\nnil\nnil\nnil\n1\n".sub('{"A"=>"b"}', { 'A' => 'b' }.inspect), '', 3],
                 result.to_a[0, 3])
  end

  def test_environment_is_the_requests_exactly
    assert_equal("{}\n", ready('p ENV.to_h', before: "ENV['SET'] = '1'").run.out)
  end

  def test_data_and_include
    code = "print DATA.read\n__END__\nthe data\n"
    script = file('a.rb', "require 'prefork_interp'\ninclude PreforkInterp\nprefork_initialisation_complete\nprefork_initialisation_complete\n#{code}")
    warm = warm(script, mode: 'explicit')
    3.times { assert_equal("the data\n", warm.run.out) }
  end

  def test_hooks
    before = 'n = 0; PreforkInterp.before_fork { n += 1 }; PreforkInterp.after_fork { print ENV["Q"] }; PreforkInterp.after_fork { print "b" }'
    warm = ready('print n', before: before)
    2.times { assert_equal('ab1', warm.run({ 'Q' => 'a' }).out) }
    assert_raises(ArgumentError) { PreforkInterpForTest.before_fork }
  end

  def test_exceptions_of_hooks_are_the_scripts
    result = ready('', before: 'PreforkInterp.after_fork { raise "hook" }').run
    assert_equal(1, result.status)
    assert_match(/hook \(RuntimeError\)/, result.err)
    %w[EPIPE ENOENT ECONNRESET].each do |name|
      warm = ready('', before: "PreforkInterp.after_fork { raise Errno::#{name} }")
      result = warm.run
      assert_equal(1, result.status)
      assert_match(/Errno::#{name}/, result.err)
      assert_equal(1, warm.run.status)
    end
  end

  def test_max_servers_is_announced_only_if_given
    assert_equal('7', explicit('', options: 'max_servers: 7').ready['max_servers'])
    refute(explicit('').ready.key?('max_servers'))
  end

  def test_files
    extra = file('extra', '')
    relative = file('relative', '')
    part = file('part.rb', '')
    before = "require_relative 'part'\nDir.chdir('#{@folder}') { PreforkInterp.prefork_autoreload_also_check('relative') }"
    all = ready('', before: before, options: "autoreload_extra: ['#{extra}']")
    assert_equal([], [extra, relative, part, "#{@folder}/a.rb"] - all.files)
    some = ready('PreforkInterp.prefork_autoreload_also_check("/late"); require "set"; require "json"', before: before,
                                                                                                 options: "autoreload_inc: false")
    assert_equal([relative, "#{@folder}/a.rb"].sort, some.files.sort)
    some.run
    assert_equal([relative, '/late', "#{@folder}/a.rb"].sort, some.files.sort)
  end

  def test_files_loaded_at_the_end_are_reported
    late = file('late.rb', '')
    warm = ready("at_exit { require '#{late}' }\nfork { exit }\nProcess.wait\nexit 4")
    assert_equal(4, warm.run.status)
    assert_includes(warm.files, late)
  end

  def test_preload
    warm = explicit('print defined?(StringScanner)', words: 'preload=strscan,no_such')
    warm.ready
    assert_equal('constant', warm.run.out)
    assert(warm.messages.assoc('note'))
  end

  def test_broken_handover
    launcher = explicit('', environment: { 'PREFORK_INTERP' => 'v1,1.2 3,4 n1,explicit' })
    assert_equal(1, launcher.wait.exitstatus)
    assert_match(/prefork_interp: too few descriptors/, launcher.log)
  end

  def test_failing_setup_is_no_greeting
    launcher = explicit('', before: 'exit 9')
    assert_equal(9, launcher.wait.exitstatus)
  end

  def test_standalone
    script = file('a.rb', "require 'prefork_interp'\nPreforkInterp.before_fork { print 'never' }\n" \
                          "PreforkInterp.prefork_initialisation_complete\nprint 'alone'\nexit 3\n")
    [['-I', LIBDIR], ['-r', LAUNCH]].each do |options|
      assert_equal('alone', IO.popen(['ruby', *options, script], &:read))
      assert_equal(3, $?.exitstatus)
    end
  end

  # The library itself, loaded into the test; this process is nobody's server.
  module PreforkInterpForTest
    def self.before_fork
      load "#{LIBDIR}/prefork_interp.rb" unless defined?(::PreforkInterp)
      ::PreforkInterp.before_fork
    end
  end
end
