# frozen_string_literal: true

require_relative 'helper'

# The automatic fork point: the script is not changed and cannot tell.
class TestAutomatic < ScriptTest
  # What a script can see of how it was started.
  VIEW = <<~'RUBY'
    p [$0, $PROGRAM_NAME, __FILE__, __FILE__ == $0, __dir__, __LINE__, ARGV, ARGV.map { |a| [a.encoding, a.frozen?] }]
    p ENV.to_h.sort, ENV.values.map(&:encoding).uniq, $:, caller, $?, $!, Thread.list.size, Dir.pwd, File.umask, self.to_s
    p $stdin.external_encoding, $stdout.sync, $stderr.sync, $stdin.lineno, binding.local_variables, $VERBOSE
    p DATA.read, DATA.lineno, TOPLEVEL_BINDING.local_variables
    $stderr.puts 'to standard error'
    __END__
    the data
  RUBY

  def test_script_sees_what_it_would_see_cold
    # Ruby reads the first line before it loads the library, and pushes it back.
    ['', "#!/usr/bin/ruby\n", "#!/usr/bin/ruby -w\nunused = 1 == 2; 3 == 4\n", "# warn_indent: true\nBEGIN { p caller, DATA.pos, __LINE__ }\n"].each { |first| compare_view(file('view.rb', first + VIEW)) }
  end

  def compare_view(script)
    environment = { 'A' => 'b', 'QUERY_STRING' => "caf\u00e9", 'LANG' => 'C.UTF-8', 'PATH' => ENV.fetch('PATH') }
    arguments = ['x y', '', "caf\u00e9"]
    warm = warm(script, environment: environment)
    2.times { assert_equal(cold(script, environment, arguments).to_a, warm.run(environment, arguments).to_a[0, 3] + [nil]) }
  end

  def test_script_is_compiled_once_and_data_is_each_requests_own
    code = "print DATA.gets, DATA.read.size, ' ', File.readlink(\"/proc/self/fd/\#{DATA.fileno}\") == __FILE__\n__END__\n"
    warm = warm(script = file('a.rb', code + "line\n" * 10_000))
    File.write(script, 'changed')
    File.write(script, code + "line\n" * 10_000)
    3.times { assert_equal("line\n49995 true", warm.run.out) }
  end

  def test_exit_statuses_and_messages_are_those_of_ruby
    ['exit 0', 'exit 1', 'exit 3', 'exit 255', 'exit!(7)', 'abort "so"', 'raise "no"', "def f = g\nf", 'Process.kill(:KILL, $$)',
     'Process.kill(:TERM, $$); sleep', 'trap("EXIT") { puts "trap" }; raise Interrupt', 'throw :x', "puts 1\nfoo(", 'warn "w"',
     'at_exit { puts "end"; exit 5 }; exit 2', 'END { puts $!.inspect }; raise IOError', 'BEGIN { puts "begin" }; puts 2'].each do |code|
      script = file('exit.rb', "require 'json'\n#{code}\n")
      if code.end_with?('(')
        assert_match(/SyntaxError|syntax error|exit.rb/, launcher(script).cold_reason)
        next
      end
      expected = cold(script, { 'PATH' => ENV.fetch('PATH') })
      assert_equal([code, *expected.to_a[0, 3]], [code, *warm(script).run({ 'PATH' => ENV.fetch('PATH') }).to_a[0, 3]])
    end
  end

  def test_exit_0_is_0_two_hundred_times
    warm = warm(file('zero.rb', "exit 0\n"))
    assert_equal([0], Array.new(200) { warm.run.status }.uniq)
  end

  def test_stdin_of_nothing_and_of_megabytes
    warm = warm(file('stdin.rb', "require 'digest'\nprint $stdin.binmode.read.then { |s| [s.bytesize, Digest::MD5.hexdigest(s)].join(' ') }"))
    require 'digest'
    ['', "\0\xff\n".b * 1_500_000].each do |bytes|
      assert_equal("#{bytes.bytesize} #{Digest::MD5.hexdigest(bytes)}", warm.run(stdin: bytes).out)
    end
  end

  def test_required_files_are_loaded_once_and_before
    file('once.rb', "ONCE = Process.pid\n")
    warm = warm(file('a.rb', "require_relative 'once'\nbegin\n  require 'no_such_thing'\nrescue LoadError\n  print 'none '\nend\nprint ONCE\n"))
    2.times { assert_equal("none #{warm.pid}", warm.run.out) }
  end

  def test_where_features_were_missed_is_reported
    file('once.rb', '')
    warm = warm(file('a.rb', "require 'once'\nrequire 'json'\n"), environment: { 'RUBYLIB' => "/nonexistent:#{@folder}" })
    missed = warm.missed
    assert_empty(["/nonexistent/once.rb", "/nonexistent/json.rb", "#{@folder}/json.rb"] - missed)
    assert_empty(missed & ["#{@folder}/once.rb", "#{@folder}/a.rb"])
    assert_empty(missed.grep(/prefork_interp/))
  end

  def test_files_are_reported_from_setup_and_from_the_executor
    once = file('once.rb', '')
    late = file('late.rb', '')
    script = file('a.rb', "require_relative 'once'\nrequire '#{late}' if $0\n")
    warm = warm(script)
    assert_equal([script, once], [script, once] & warm.files)
    warm.run
    assert_includes(warm.files, late)
    assert_equal(warm.files.uniq, warm.files)
    assert_empty(warm.files.grep(/prefork_interp/))
  end

  def test_executor_and_server_have_their_numbers
    warm = warm(file('pid.rb', "puts $$, Process.pid, Process.ppid, Process.getpgrp, File.readlink('/proc/self')\n"))
    numbers = warm.run.out.split.map(&:to_i)
    assert_equal([numbers[0], numbers[0], warm.pid, numbers[0], numbers[0]], numbers)
  end

  def test_only_standard_descriptors_are_open
    # Ruby itself has an eventfd or two.
    code = "puts Dir.children('/proc/self/fd').reject { |n| File.readlink(\"/proc/self/fd/\#{n}\") =~ /eventfd|eventpoll|proc/ rescue true }.sort.join(',')"
    assert_equal("0,1,2\n", warm(file('open.rb', code)).run.out)
  end

  def test_random_numbers_differ
    file('seeded.rb', "srand 42\nrand\n")
    warm = warm(file('random.rb', "require_relative 'seeded'\nrequire 'securerandom'\nprint rand, SecureRandom.hex, Random.rand"))
    assert_equal(20, Array.new(20) { warm.run.out }.uniq.size)
  end

  def test_process_that_has_died_is_known_with_signal_and_use
    result = warm(file('kill.rb', "x = 'x' * 50_000_000\nProcess.kill(:SEGV, $$)\nsleep\n".sub('SEGV', 'KILL'))).run
    assert_equal(-9, result.status)
    assert_operator(result.done.memory, :>, 50_000_000)
    assert_operator(result.done.user + result.done.system, :>, 0)
  end

  def test_script_that_ignores_sigchld_does_not_break_the_server
    file('ignore.rb', "trap('CHLD', 'IGNORE')\ntrap('USR1') { puts 'handled' }\ntrap('USR2', 'IGNORE')\n")
    warm = warm(file('a.rb', "require_relative 'ignore'\nProcess.kill(:USR2, $$)\nProcess.kill(:USR1, $$)\nsleep 0.01\n" \
                             "p trap('PIPE', 'DEFAULT'), trap('INT', 'DEFAULT'), trap('CHLD', 'DEFAULT') ? 1 : 0\nexit 3\n"))
    2.times { assert_equal(["handled\n#{cold_trap}\n\"DEFAULT\"\n1\n", '', 3], warm.run.to_a[0, 3]) }
  end

  def test_duplicate_of_standard_error_leads_to_the_requests
    file('duplicate.rb', "SAVED = $stderr.dup\nOUT = $stdout.dup\nIN = $stdin.dup\nraise unless SAVED.close_on_exec?\n")
    warm = warm(file('a.rb', "require_relative 'duplicate'\nSAVED.puts 'err'\nOUT.puts 'out'\nOUT.puts IN.read, SAVED.close_on_exec?\n"))
    2.times { assert_equal(["out\nin\ntrue\n", "err\n"], warm.run(stdin: 'in').to_a[0, 2]) }
    assert_empty(warm.log)
  end

  def test_files_of_setup_have_an_offset_of_their_own
    file('lines.txt', "one\ntwo\nthree\n")
    file('reads.rb', "LINES = File.open('#{@folder}/lines.txt')\nLINES.sysread(4)\n")
    warm = warm(file('a.rb', "require_relative 'reads'\nprint LINES.read\n"))
    3.times { assert_equal("two\nthree\n", warm.run.out) }
  end

  def test_directory_that_setup_has_changed_stays_changed
    file('moves.rb', "Dir.chdir('/usr')\n")
    assert_equal('/usr', warm(file('a.rb', "require_relative 'moves'\nprint Dir.pwd")).run.out)
  end

  def test_what_setup_writes_is_sent_once_and_not_to_the_request
    file('writes.rb', "print 'from setup'\n$stderr.print 'too'\nFILE = File.open('#{@folder}/log', 'a')\nFILE.print 'once'\n")
    warm = warm(file('a.rb', "require_relative 'writes'\nprint 'request'"))
    2.times { assert_equal(['request', ''], warm.run.to_a[0, 2]) }
    assert_equal('once', File.read("#{@folder}/log"))
    assert_equal(['from setup', 'too'].sort, warm.log.scan(/from setup|too/).sort)
  end

  def test_changes_of_the_environment_by_setup_stay_in_force
    file('sets.rb', "ENV['SET'] = 'new'\nENV.delete('GONE')\nCOPY = ENV\n")
    warm = warm(file('a.rb', "require_relative 'sets'\np ENV.sort, COPY.equal?(ENV), COPY['Q']"), environment: { 'GONE' => 'x' })
    assert_equal("[[\"Q\", \"1\"], [\"SET\", \"new\"]]\ntrue\n\"1\"\n", warm.run({ 'GONE' => 'y', 'Q' => '1', 'SET' => 'old' }).out)
  end

  def test_nothing_of_the_watch_is_left
    code = "require 'json'\np ENV.method(:[]).source_location, ENV.method(:to_h).arity, ENV.singleton_methods.size, " \
           "ENV.method(:each).owner == ENV.singleton_class, ENV.fetch('HTTP_HOST'), ENV.map(&:first), ENV.key?('X')\n"
    script = file('a.rb', code)
    assert_equal(cold(script, { 'HTTP_HOST' => 'h' }).out, warm(script).run({ 'HTTP_HOST' => 'h' }).out)
  end

  def test_calls_of_the_explicit_api_do_nothing
    code = "require 'prefork_interp'\nPreforkInterp.after_fork { print 'never' }\nPreforkInterp.prefork_initialisation_complete\n" \
           "include PreforkInterp\nprefork_initialisation_complete(max_servers: 1)\nprint 'once'"
    assert_equal('once', warm(file('a.rb', code)).run.out)
  end

  def test_hooks_of_required_files_are_called
    file('hooks.rb', "before = nil\nPreforkInterp.before_fork { before = $$ }\nPreforkInterp.after_fork { puts ENV['Q'], before }\n" \
                     "PreforkInterp.after_fork { puts ARGV }\n")
    warm = warm(file('a.rb', "require_relative 'hooks'\nputs 'script'"))
    assert_equal("1\n#{warm.pid}\na\nscript\n", warm.run({ 'Q' => '1' }, ['a']).out)
  end

  def test_preload
    warm = launcher(file('a.rb', "print defined?(Set), defined?(StringScanner)"), words: 'preload=strscan,no_such_thing')
    warm.ready
    assert_equal('expressionconstant'.sub('expression', cold_set), warm.run.out)
    assert_match(/\Acannot preload no_such_thing: cannot load/, warm.messages.assoc('note').last)
  end

  def test_reuse_is_declined_with_a_reason
    warm = launcher(file('a.rb', 'print 1'), words: 'preload=json reuse=on')
    refute(warm.ready.key?('reuse'))
    assert_match(/one request per process/, warm.messages.assoc('note').last)
    assert_equal('1', warm.run.out)
  end

  private

  # What this Ruby says of the untouched SIGPIPE and of Set.
  def cold_trap
cold(file('t.rb', "p trap('PIPE', 'DEFAULT')")).out.chomp
  end

  def cold_set
    cold(file('t.rb', 'print defined?(Set)')).out
  end
end
