# frozen_string_literal: true

require 'minitest/autorun'
require 'socket'
require 'tmpdir'
require 'timeout'

# What scripts write is compared as UTF-8, whatever the locale of the tests.
Encoding.default_external = Encoding::UTF_8

LIBDIR = File.expand_path('../lib', __dir__)
LAUNCH = "#{LIBDIR}/prefork_interp/launch.rb"

# A Launcher plays the other side of the native dialect (docs/protocol.md, Native). The test owns it and calls close.
class Launcher
  Done = Struct.new(:status, :user, :system, :memory)
  # One call: what the script has written, and how it has ended.
  Result = Struct.new(:out, :err, :status, :done)

  attr_reader :pid, :messages, :call

  def initialize(script, mode: 'automatic', words: '', arguments: [], environment: {}, ruby: ['ruby'], spawn: {})
    @ctl, theirs = UNIXSocket.pair
    @listen = UNIXServer.new("#{Dir.mktmpdir}/listen")
    @alive, watch_inner = IO.pipe
    watch_outer, @sentinel = IO.pipe
    @log, err = IO.pipe
    out = File.open("/proc/self/fd/#{err.fileno}", File::WRONLY | File::APPEND)
    given = [@listen, theirs, watch_inner, watch_outer]
    handover = "v1,1795242621.579386987 #{given.map(&:fileno).join(',')} n1,#{mode} #{words}".strip
    @pid = Process.spawn({ 'PREFORK_INTERP' => handover, 'LANG' => 'C.UTF-8' }.merge(environment), *ruby, "-r#{LAUNCH}", script, *arguments,
                         in: File::NULL, out: out, err: err, close_others: true, **given.to_h { |io| [io, io] }, **spawn)
    [theirs, watch_inner, watch_outer, err, out].each(&:close)
    File.unlink(@listen.path)
    Dir.rmdir(File.dirname(@listen.path))
    @id = 0
    @messages = []
  end

  # Reads messages up to one of the given types; its payload.
  def wait_for(*types)
    Timeout.timeout(20) do
      loop do
        head = @ctl.read(8) or raise "the server has gone: #{log}"
        type, length = head.unpack('a4N')
        payload = @ctl.read(length)
        @messages << [type, payload]
        return payload if types.include?(type)
        raise "cold: #{payload}" if type == 'cold'
      end
    end
  end

  def ready
    wait_for("PFN\n").split("\0").to_h { |pair| pair.split('=', 2) }
  end

  def cold_reason
    reason = wait_for('cold')
    raise 'not status 0' unless wait.success?

    reason
  end

  # Paths reported so far.
  def files
    @messages.select { |type, _| type == 'file' }.flat_map { |_, payload| payload.split("\0") }
  end

  # Paths where nothing was.
  def missed
    @messages.select { |type, _| type == 'miss' }.flat_map { |_, payload| payload.split("\0") }
  end

  # Forks an executor for so many requests; its id and the socket of the call. The descriptors come with the message, or
  # separately.
  def park(stdout, stderr, requests: nil, separately: false)
    @id += 1
    ours, theirs = UNIXSocket.pair
    payload = [@id, *requests].pack('N*')
    message = ['fork', payload.bytesize].pack('a4N') + payload
    File.open(File::NULL) do |null|
      next send_with(@ctl, message, theirs, null, stdout, stderr) unless separately

      @ctl.write(message)
      [theirs, null, stdout, stderr].each { |io| send_with(@ctl, "\0", io) }
    end
    theirs.close
    [@id, ours]
  end

  def send_with(socket, bytes, *ios)
    socket.sendmsg(bytes, 0, nil, Socket::AncillaryData.unix_rights(*ios))
  end

  def greeting(socket)
    raise 'no greeting' unless Timeout.timeout(20) { socket.read(8) } == "PFI\n\0\0\0\0"
  end

  # The first request of an executor comes with its stdin, each later one with all three.
  def request(socket, environment, arguments, *ios)
    bytes = environment.map { |name, value| "#{name}=#{value}\0".b }.join + "\0".b + arguments.map { |a| "#{a}\0".b }.join
    bytes = "\0".b + [bytes.bytesize].pack('N') + bytes
    sent = send_with(socket, bytes, *ios)
    socket.write(bytes.byteslice(sent..-1))
  end

  def reap(id)
    @ctl.write(['reap', 4, id].pack('a4NN'))
    payload = wait_for('done')
    got, status, user, system, memory = payload.unpack('NNQ>3')
    raise "done for #{got}" unless got == id

    Done.new(status, user, system, memory)
  end

  # A whole call.
  def run(environment = {}, arguments = [], stdin: '')
    id, socket, *pipes = start
    request(socket, environment, arguments, tempfile(stdin))
    socket.close
    texts = read(pipes)
    done = reap(id)
    Result.new(*texts, status(done.status), done)
  end

  # Parks an executor; its id, the socket of the call, and the read ends of its stdout and stderr.
  def start(requests: nil)
    out_read, out = IO.pipe
    err_read, err = IO.pipe
    id, socket = park(out, err, requests: requests)
    [out, err].each(&:close)
    greeting(socket)
    [id, socket, out_read, err_read]
  end

  # A later request of a persistent executor.
  def again(socket, environment = {}, arguments = [], stdin: '')
    out_read, out = IO.pipe
    err_read, err = IO.pipe
    request(socket, environment, arguments, tempfile(stdin), out, err)
    [out, err].each(&:close)
    read([out_read, err_read])
  end

  def read(pipes)
    Timeout.timeout(20) { pipes.map { |io| Thread.new { io.binmode.read.force_encoding(Encoding::UTF_8) } }.map(&:value) }
  end

  # What a persistent executor says at a request's end; +nil+ when it ends itself.
  def request_status(socket)
    bytes = Timeout.timeout(20) { socket.read(4) }
    bytes && bytes.unpack1('N')
  end

  # Exit status, or a negative signal.
  def status(number)
    (number & 0x7f).zero? ? number >> 8 : -(number & 0x7f)
  end

  def tempfile(bytes)
    File.open(Dir.tmpdir, File::RDWR | File::TMPFILE) do |file|
      file.binmode.write(bytes)
      file.flush
      return File.open("/proc/self/fd/#{file.fileno}")
    end
  end

  # What setup and server have written.
  def log
    @log.read_nonblock(1 << 16)
  rescue IO::WaitReadable, EOFError
    ''
  end

  def hang_up
    @ctl.close
  end

  def wait
    return @status if @status

    _, @status = Timeout.timeout(20) { Process.wait2(@pid) }
    @status
  end

  def close
    [@ctl, @listen, @alive, @sentinel].each { |io| io.close unless io.closed? }
    wait
    @log.close
  end
end

# For tests with scripts: files in a temporary folder, and launchers that are closed at the end.
class ScriptTest < Minitest::Test
  def setup
    @folder = File.realpath(Dir.mktmpdir)
    @launchers = []
  end

  def teardown
    @launchers.each(&:close)
    FileUtils.rm_rf(@folder)
    assert_raises(Errno::ECHILD, 'a process is left') { Process.wait(-1, Process::WNOHANG) }
  end

  # Writes a file; its path.
  def file(name, text)
    path = "#{@folder}/#{name}"
    File.write(path, text)
    path
  end

  def launcher(script, **options)
    @launchers << Launcher.new(script, **options)
    @launchers.last
  end

  # Starts the script and waits until it is ready.
  def warm(script, **options)
    launcher(script, **options).tap(&:ready)
  end

  # What the script does when it is started for one request, by Ruby alone.
  def cold(script, environment = {}, arguments = [])
    out_read, out = IO.pipe
    err_read, err = IO.pipe
    pid = Process.spawn(environment, 'ruby', script, *arguments, out: out, err: err, unsetenv_others: true)
    [out, err].each(&:close)
    texts = [out_read.read, err_read.read]
    _, status = Process.wait2(pid)
    Launcher::Result.new(*texts, status.exitstatus || -status.termsig)
  end
end
