# frozen_string_literal: true

require_relative 'helper'
require 'prefork_interp' unless defined?(PreforkInterp)

# The parts that need no process.
class TestParts < Minitest::Test
  include PreforkInterp

  def test_an_interrupted_system_call_leaves_warnings_as_they_are
    answers = [-> { raise Errno::EINTR }, -> { 7 }]
    original = Kernel.method(:syscall)
    Kernel.define_singleton_method(:syscall) { |*| answers.shift.call }
    before = $VERBOSE
    assert_equal 7, PreforkInterp::System.send(:call, 0)
    assert_equal [before], [$VERBOSE]
  ensure
    Kernel.define_singleton_method(:syscall, original)
    $VERBOSE = before
  end

  def test_handover
    handover = Handover.parse('v1,12.000000345,more 3,4,5,6,7 x n1,automatic,more preload=json,a/b other=1')
    assert_equal([3, 4, 5, 6], [handover.listen, handover.call, handover.watch_inner, handover.watch_outer])
    assert_equal(Time.at(12, 345, :nanosecond), handover.started)
    assert_equal(%w[json a/b], handover.preload)
    assert(handover.native? && handover.automatic?)
    refute(handover.reuse?)
    assert(Handover.parse('v1,1.0 3,4,5,6 n1,automatic reuse=on').reuse?)
    refute(Handover.parse('v1,1.0 3,4,5,6').native?)
    refute(Handover.parse('v1,1.0 3,4,5,6 n1,explicit').automatic?)
  end

  def test_broken_handovers
    ['', 'v1', 'v1,1.0', 'v2,1.0 3,4,5,6', 'v1,x 3,4,5,6', 'v1,1 3,4,5,6', 'v1,1.0 3,4,5', 'v1,1.0 a,b,c,d'].each do |text|
      assert_raises(ProtocolError, text) { Handover.parse(text) }
    end
  end

  def request(bytes)
    ours, theirs = UNIXSocket.pair
    theirs.write([bytes.bytesize].pack('N'), bytes)
    theirs.close
    Request.read(ours)
  ensure
    ours.close
  end

  def test_request
    got = request("A=b=c\0E=\0=x\0\0one\0\0two\0".b)
    assert_equal([{ 'A' => 'b=c', 'E' => '' }, ['one', '', 'two']], [got.environment, got.arguments])
    got = request("\0".b)
    assert_equal([{}, []], [got.environment, got.arguments])
    ['', 'x', "A=b\0", "A\0\0", "\0x"].each { |bytes| assert_raises(ProtocolError, bytes) { request(bytes.b) } }
  end

  def test_request_that_is_cut_off
    ours, theirs = UNIXSocket.pair
    theirs.write([10].pack('N'), 'abc')
    theirs.close
    assert_nil(Request.read(ours))
  end

  def test_descriptor_both_ways
    numbers = System.numbers
    [numbers, nil].each do |way|
      System.numbers = way
      ours, theirs = UNIXSocket.pair
      theirs.sendmsg("\0", 0, nil, Socket::AncillaryData.unix_rights($stderr))
      number = System.receive_descriptor(ours)
      assert_equal(File.readlink('/proc/self/fd/2'), File.readlink("/proc/self/fd/#{number}"))
      assert(IO.for_fd(number).close_on_exec?)
      theirs.write('x')
      assert_raises(ProtocolError) { System.receive_descriptor(ours) }
      theirs.close
      assert_nil(System.receive_descriptor(ours))
    end
  ensure
    System.numbers = numbers
  end

  def test_wait_both_ways
    numbers = System.numbers
    [numbers, nil].each do |way|
      System.numbers = way
      assert_equal(7 << 8, System.wait(fork { exit!(7) }).status)
      assert_raises(Errno::ECHILD) { System.wait(1) }
    end
  ensure
    System.numbers = numbers
  end

  def test_pidfd_is_readable_when_the_process_has_ended
    skip('no pidfd_open') unless System.numbers
    pid = fork { sleep }
    ended = System.pidfd(pid)
    assert_nil(IO.select([ended], nil, nil, 0))
    Process.kill('KILL', pid)
    assert(IO.select([ended], nil, nil, 5))
    Process.wait(pid)
  end
end
