# frozen_string_literal: true

require_relative 'helper'

# An executor may end without Ruby's own end where nobody can tell.
class TestQuickEnd < ScriptTest
  # Each of these does something at the end of the process that Ruby's end alone would do, or that both do.
  NOTICED = {
    'output' => '$stdout.print 1; $stderr.print 2; OUT = $stdout.dup; OUT.print 3',
    'file' => 'FILE = File.open(ARGV[0], "w"); FILE.print "text"',
    'encoding' => '$stdout.set_encoding("ISO-2022-JP"); print "\u3042"',
    'encoding of a file' => 'FILE = File.open(ARGV[0], "w:ISO-2022-JP"); FILE.print "\u3042"',
    'finalizer' => 'ObjectSpace.define_finalizer(Object.new, proc { $stdout.print "final"; $stdout.flush })',
    'finalizer with a block' => 'KEPT = Object.new; ObjectSpace.define_finalizer(KEPT) { File.write(ARGV[0], "final") }',
    'tempfile' => 'require "tempfile"; KEPT = Tempfile.new("x"); File.symlink(KEPT.path, ARGV[0])',
    'thread' => 'Thread.new { begin; sleep; ensure; File.write(ARGV[0], "ensured"); end }; Thread.pass; sleep 0.05',
    'gzip' => 'require "zlib"; KEPT = Zlib::GzipWriter.new(File.open(ARGV[0], "w")); KEPT.mtime = 1; KEPT.write("text")',
    'pipe' => 'KEPT = IO.popen(["sh", "-c", "cat >$0; echo done", ARGV[0]], "w"); KEPT.print "piped"',
    'at_exit in at_exit' => 'at_exit { at_exit { print 1; exit 5 }; print 2 }',
    'exception at the end' => 'at_exit { raise "late" }',
    'subclass of SystemExit' => 'class Mine < SystemExit; def message = "mine"; end; raise Mine.new(4)',
    'at_exit that reads $!' => 'at_exit { p $! }; exit 7',
    'closed' => '$stdout.print 1; $stdout.close; $stderr.close; $stdin.close; exit 2',
    'full' => 'FULL = File.open("/dev/full", "w"); FULL.print 1; print 2'
  }.freeze

  def test_everything_is_as_ruby_does_it
    path = "#{@folder}/written"
    NOTICED.each do |name, code|
      script = file('a.rb', "# frozen_string_literal: true\n#{code}\n")
      environment = { 'PATH' => ENV.fetch('PATH'), 'LANG' => 'C.UTF-8' }
      results = [-> { cold(script, environment, [path]) }, -> { warm(script).run(environment, [path]) }].map do |way|
        result = way.call.to_a[0, 3].map { |value| value.is_a?(String) ? value.b : value }
        left = [File.symlink?(path) && File.exist?(path), File.file?(path) && File.binread(path)]
        FileUtils.rm_f(path)
        [name, result, left]
      end
      assert_equal(*results)
    end
  end

  # Ruby's end frees what it has, which writes to most of its memory.
  def test_it_is_quick
    script = file('a.rb', "require 'json'\nrequire 'cgi'\nprint 'x'\n")
    usual, quick = [['ruby', '-rset'], ['ruby']].map do |ruby|
      warm = warm(script, ruby: ruby)
      Array.new(15) { warm.run.done }.map { |done| done.user + done.system }.sort[7]
    end
    assert_operator(quick, :<, usual)
  end

  def test_libraries_loaded_before_ours_have_their_end
    early = file('early.rb', "at_exit { print 'early' }\n")
    script = file('a.rb', "print 'script '\n")
    assert_equal('script early', warm(script, ruby: ['ruby', "-r#{early}"]).run.out)
    assert_equal('script early', warm(script, ruby: ['ruby', '-w', '-r', early]).run.out)
    assert_equal('script early', warm(script, environment: { 'RUBYOPT' => "-r#{early}" }).run.out)
  end

  def test_output_ends_before_the_process_does
    late = file('late.rb', '')
    warm = warm(file('a.rb', "print 1\nrequire '#{late}'\nexit 6\n"))
    assert_equal(['1', 6], warm.run.to_a.values_at(0, 2))
    assert_includes(warm.files, late)
  end
end
