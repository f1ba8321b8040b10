# frozen_string_literal: true

require_relative 'helper'

# The v1 dialect under Debian's launcher, whose servers are ended by it with --kill.
class TestVersion1 < ScriptTest
  CLIENT = '/usr/bin/prefork-interp'

  def setup
    super
    skip("no #{CLIENT}") unless File.executable?(CLIENT)
    @runtime = Dir.mktmpdir
    File.chmod(0o700, @runtime)
    @scripts = []
  end

  def teardown
    @scripts.each { |script| client('--kill', script: script) }
    FileUtils.rm_rf(@runtime) if @runtime
    super
  end

  def client(*options, script:, arguments: [], environment: {}, stdin: '')
    out_read, out = IO.pipe
    err_read, err = IO.pipe
    input_read, input = IO.pipe
    environment = { 'XDG_RUNTIME_DIR' => @runtime, 'RUBYLIB' => LIBDIR }.merge(environment)
    pid = Process.spawn(environment, CLIENT, '-U', *options, 'ruby', script, *arguments, in: input_read, out: out, err: err, close_others: true)
    [out, err, input_read].each(&:close)
    feeder = Thread.new { input.write(stdin) rescue nil; input.close }
    texts = [out_read, err_read].map { |io| Thread.new { Timeout.timeout(20) { io.binmode.read } } } unless options.include?('--kill')
    _, status = Timeout.timeout(20) { Process.wait2(pid) }
    feeder.join
    Launcher::Result.new(*(texts || []).map(&:value), status.exitstatus || -status.termsig)
  end

  def script(code, before: '', options: '')
    @scripts |= ["#{@folder}/a.rb"]
    file('a.rb', "require 'prefork_interp'\n#{before}\nPreforkInterp.prefork_initialisation_complete(#{options.empty? ? '' : "#{options}, "}log_facility: '')\n#{code}\n")
  end

  def test_one_server_answers_many_calls
    path = script('puts SETUP, $stdin.read.bytesize, ENV["Q"], $$ == Process.pid, $?.inspect; $stderr.puts "err"; exit ARGV.last.to_i', before: 'SETUP = $$')
    results = [0, 1, 3, 255].map { |status| client(script: path, arguments: [status.to_s], environment: { 'Q' => "q#{status}" }, stdin: 'x' * 1_000_000) }
    assert_equal([0, 1, 3, 255], results.map(&:status))
    assert_equal(["err\n"], results.map(&:err).uniq)
    assert_equal(1, results.map { |result| result.out.lines.first }.uniq.size)
    assert_equal(["1000000\nq3\ntrue\nnil\n"], results[2, 1].map { |result| result.out.lines[1..-1].join })
  end

  def test_loop_has_one_request
    path = file('a.rb', "require 'prefork_interp'\nprint ENV['Q'] while PreforkInterp.accept(log_facility: '')\nprint ' end'\nexit 3\n")
    @scripts << path
    2.times { |n| assert_equal(["#{n} end", '', 3], client(script: path, environment: { 'Q' => n.to_s }).to_a[0, 3]) }
  end

  def test_exit_0_is_0_two_hundred_times
    path = script('exit 0')
    assert_equal([0], Array.new(200) { client(script: path).status }.uniq)
  end

  def test_death_by_signal_hooks_and_random_numbers
    path = script('print n, rand; Process.kill(:KILL, $$) if ARGV.last == "die"', before: 'n = ""; PreforkInterp.before_fork { n = "b" }; PreforkInterp.after_fork { print ENV["Q"] }')
    first, second = Array.new(2) { client(script: path, environment: { 'Q' => 'q' }).out }
    assert_match(/\Aqb0\./, first)
    refute_equal(first, second)
    assert_equal(-9, client(script: path, arguments: ['die']).status)
  end

  def test_changed_file_makes_a_new_server
    extra = file('extra', '')
    path = script('print SETUP', before: 'SETUP = $$', options: "autoreload_extra: ['#{extra}']")
    one, two = Array.new(2) { client(script: path).out }
    assert_equal(one, two)
    File.utime(Time.now + 5, Time.now + 5, extra)
    refute_equal(one, client(script: path).out)
  end

  def test_idle_server_ends
    path = script("print File.read(\"/proc/\#{Process.ppid}/status\")[/^PPid:\\s*(\\d+)/, 1]", options: 'idle_timeout: 0.2')
    server = client(script: path).out.to_i
    ended = IO.for_fd(Kernel.syscall(434, server, 0))
    assert(IO.select([ended], nil, nil, 10), 'the server is still there')
  end

  def test_no_more_calls_at_once_than_asked
    path = script('File.write(ARGV.last, ""); puts Process.clock_gettime(1); sleep 0.2; puts Process.clock_gettime(1)', options: 'max_servers: 1')
    client(script: path, arguments: ["#{@folder}/x"])
    spans = Array.new(3) { |n| Thread.new { client(script: path, arguments: ["#{@folder}/#{n}"]).out.split.map(&:to_f) } }.map(&:value).sort
    assert_operator(spans[0][1], :<=, spans[1][0])
    assert_operator(spans[1][1], :<=, spans[2][0])
  end

  def test_script_that_ignores_sigchld
    path = script('exit 3', before: "trap('CHLD', 'IGNORE')")
    assert_equal([3] * 5, Array.new(5) { client(script: path).status })
  end

  def test_executor_is_interrupted_when_the_client_goes
    path = script("begin\nputs $$\n$stdout.flush\nsleep\nrescue Interrupt\nFile.write('#{@folder}/fifo', 'interrupted')\nend")
    File.mkfifo("#{@folder}/fifo")
    read, output = IO.pipe
    client_pid = Process.spawn({ 'XDG_RUNTIME_DIR' => @runtime, 'RUBYLIB' => LIBDIR }, CLIENT, '-U', 'ruby', path, in: File::NULL, out: output, err: output)
    output.close
    assert_match(/\A\d+\n/, Timeout.timeout(20) { read.gets })
    Process.kill('KILL', client_pid)
    Process.wait(client_pid)
    assert_equal('interrupted', Timeout.timeout(20) { File.read("#{@folder}/fifo") })
  end
end
