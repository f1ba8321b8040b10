# frozen_string_literal: true

require_relative 'helper'

# How a server and its executors end, and what they make of nonsense.
class TestServer < ScriptTest
  def parked(launcher, out: File.open(File::NULL, 'w'))
    id, socket = launcher.park(out, File.open(File::NULL, 'w'))
    launcher.greeting(socket)
    [id, socket]
  end

  def null
    File.open(File::NULL)
  end

  def test_descriptors_of_a_fork_may_follow_it
    warm = warm(file('a.rb', "puts 'up'\n"))
    read, write = IO.pipe
    id, socket = warm.park(write, null, separately: true)
    write.close
    warm.greeting(socket)
    warm.request(socket, {}, [], null)
    assert_equal "up\n", read.read
    warm.reap(id)
  end

  def test_end_of_ctl_ends_the_server_and_its_executors
    warm = warm(file('a.rb', "$stdout.puts 'up'\n$stdout.flush\nsleep\n"))
    read, write = IO.pipe
    _, socket = parked(warm, out: write)
    write.close
    warm.request(socket, {}, [], null)
    assert_equal("up\n", read.gets)
    warm.hang_up
    assert_equal(0, warm.wait.exitstatus)
    assert_nil(read.gets, 'the executor is still there')
  end

  def test_executor_that_ignores_sigterm_is_killed_after_the_grace
    warm = warm(file('a.rb', "trap('TERM', 'IGNORE')\n$stdout.puts 'up'\n$stdout.flush\nsleep\n"))
    read, write = IO.pipe
    _, socket = parked(warm, out: write)
    write.close
    warm.request(socket, {}, [], null)
    read.gets
    started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    warm.hang_up
    assert_equal(0, warm.wait.exitstatus)
    assert_in_delta(5, Process.clock_gettime(Process::CLOCK_MONOTONIC) - started, 1)
    assert_nil(read.gets)
  end

  def test_parked_executor_that_nobody_wants_has_run_nothing
    warm = warm(file('a.rb', "File.write('#{@folder}/ran', '')\n"))
    id, socket = parked(warm)
    socket.close
    assert_equal(0, warm.reap(id).status)
    id, socket = parked(warm)
    warm.send_with(socket, "\0\0\0\0\x64half", null)
    socket.close
    assert_equal(0, warm.reap(id).status)
    refute(File.exist?("#{@folder}/ran"))
  end

  def test_many_executors_at_once
    warm = warm(file('a.rb', "print $stdin.gets\n"))
    calls = Array.new(8) { |number| in_read, in_write = IO.pipe; out_read, out = IO.pipe; [number, in_read, in_write, out_read, *parked(warm, out: out)].tap { out.close } }
    calls.reverse_each do |number, stdin, input, output, id, socket|
      warm.request(socket, {}, [], stdin)
      stdin.close
      input.puts(number)
      input.close
      assert_equal("#{number}\n", output.read)
      assert_equal(0, warm.reap(id).status)
    end
  end

  def test_malformed_requests
    warm = warm(file('a.rb', "print 'ran'\n"))
    ["\1", "\0\0\0\0\4abc\0", "\0\0\0\0\3a=b", "\0\0\0\0\4a=b\0", "\0\xff\xff\xff\xff"].each do |bytes|
      id, socket = parked(warm)
      warm.send_with(socket, bytes.b, null)
      assert_equal(127 << 8, warm.reap(id).status, bytes.inspect)
      socket.close
    end
    assert_equal('ran', warm.run.out)
  end

  def test_request_comes_with_one_descriptor
    warm = warm(file('a.rb', "print 'ran'\n"))
    [[], [null, null]].each do |ios|
      id, socket = parked(warm)
      ios.empty? ? socket.write("\0\0\0\0\1\0") : warm.send_with(socket, "\0\0\0\0\1\0", *ios)
      assert_equal(127 << 8, warm.reap(id).status)
      socket.close
    end
  end

  def test_request_in_pieces
    warm = warm(file('a.rb', "print ENV['A'].size, ARGV[0].size, $stdin.read\n"))
    id, socket, *pipes = warm.start
    warm.send_with(socket, "\0", warm.tempfile('in'))
    bytes = "A=#{'a' * 100_000}\0\0#{'b' * 50_000}\0"
    [bytes.bytesize].pack('N').each_char { |byte| socket.write(byte) }
    bytes.scan(/.{1,4000}/m) { |piece| socket.write(piece) }
    assert_equal(['10000050000in', ''], warm.read(pipes))
    assert_equal(0, warm.reap(id).status)
  end

  def test_unknown_message_ends_the_server
    ["what\0\0\0\0", "fork\xff\xff\xff\xff", "fork\0\0\0\4\0\0\0\1xxxx"].each do |bytes|
      warm = warm(file('a.rb', ''))
      warm.instance_variable_get(:@ctl).write(bytes.b)
      assert_equal(127, warm.wait.exitstatus)
      assert_match(/\Aprefork_interp: /, warm.log)
    end
  end

  def test_reap_of_an_unknown_id_is_ignored
    warm = warm(file('a.rb', "print 'ran'\n"))
    warm.instance_variable_get(:@ctl).write(['reap', 4, 99].pack('a4NN'))
    assert_equal('ran', warm.run.out)
  end

  def test_fork_that_fails_is_told
    file('part.rb', "PreforkInterp.before_fork { def Process.fork; raise Errno::EAGAIN; end }\n")
    warm = warm(file('a.rb', "require_relative 'part'\n"))
    _, socket = warm.park($stdout, $stderr)
    id, text = warm.wait_for('fail').unpack('Na*')
    assert_equal(1, id)
    assert_match(/Resource temporarily unavailable/, text)
    assert_nil(socket.read(1))
  end

  def test_server_dies_of_sigterm_without_the_scripts_at_exit
    file('part.rb', "at_exit { print 'end' }\ntrap('TERM') { print 'trap' }\n")
    warm = warm(file('a.rb', "require_relative 'part'\n"))
    Process.kill('TERM', warm.pid)
    assert_equal(15, warm.wait.termsig)
    assert_empty(warm.log)
  end

  def test_server_reads_nothing_from_descriptor_0
    warm = warm(file('a.rb', ''))
    assert_equal('/dev/null', File.readlink("/proc/#{warm.pid}/fd/0"))
  end

  def test_wide_open_portable_way_does_the_same
    part = file('part.rb', "PreforkInterp.before_fork { PreforkInterp::System.numbers = nil }\n")
    warm = warm(file('a.rb', "require '#{part}'\np $stdin.read, $?\nexit 3\n"))
    3.times do
      result = warm.run(stdin: 'in')
      assert_equal(["\"in\"\nnil\n", '', 3], result.to_a[0, 3])
      assert_equal(0xffffffffffffffff, result.done.memory)
    end
  end
end
