# frozen_string_literal: true

require_relative 'helper'

# The fork point as the head of a loop: executors that serve more than one request.
class TestAccept < ScriptTest
  def loop_of(code, before: '', behind: '', **more)
    warm(file('a.rb', "require 'prefork_interp'\n#{before}\nwhile PreforkInterp.accept\n#{code}\nend\n#{behind}\n"), mode: 'explicit', **more)
  end

  # The first request of an executor that may serve so many: its id, its socket, its stdout and stderr, and its status.
  def first(launcher, requests, environment = {}, arguments = [], stdin: '')
    id, socket, *pipes = launcher.start(requests: requests)
    launcher.request(socket, environment, arguments, launcher.tempfile(stdin))
    [id, socket, *launcher.read(pipes), launcher.request_status(socket)]
  end

  def test_reuse_is_announced_by_those_who_can
    script = file('b.rb', "require 'prefork_interp'\nPreforkInterp.accept(max_servers: 3)\n")
    assert_equal(%w[1 3], launcher(script, mode: 'explicit').ready.values_at('reuse', 'max_servers'))
    script = file('c.rb', "require 'prefork_interp'\nPreforkInterp.prefork_initialisation_complete\n")
    refute(launcher(script, mode: 'explicit').ready.key?('reuse'))
  end

  def test_one_request_is_the_rule
    warm = loop_of('print ENV["Q"]', behind: 'print " end"; exit 3')
    2.times { assert_equal(['1 end', '', 3], warm.run({ 'Q' => '1' }).to_a[0, 3]) }
  end

  def test_each_request_has_what_is_its_own
    warm = loop_of('p $$ == FIRST ||= $$, ENV.to_h, ARGV, $stdin.read; warn "err"'.sub('$$ == FIRST ||= $$', '$pid'),
                   before: '$pid = nil', behind: 'print "end"')
    id, socket, out, err, status = first(warm, 3, { 'A' => '1', 'B' => '2' }, ['x'], stdin: 'in')
    assert_equal(["nil\n{\"A\"=>\"1\", \"B\"=>\"2\"}\n[\"x\"]\n\"in\"\n", "err\n", 0], [out, err, status])
    assert_equal(["nil\n{\"C\"=>\"3\"}\n[]\n\"too\"\n", "err\n"], warm.again(socket, { 'C' => '3' }, stdin: 'too'))
    assert_equal(0, warm.request_status(socket))
    assert_equal(["nil\n{}\n[\"y\"]\n\"\"\nend", "err\n"], warm.again(socket, {}, ['y']))
    assert_nil(warm.request_status(socket), 'the last request of an executor ends with it')
    assert_equal(0, warm.reap(id).status)
  end

  def test_process_stays_and_what_the_script_has_made
    warm = loop_of('n += 1; print $$, " ", n', before: 'n = 0')
    id, socket, out, = first(warm, 9)
    assert_equal(["#{out.to_i} 2", ''], warm.again(socket))
    assert_equal(0, warm.request_status(socket))
    socket.close
    assert_equal(0, warm.reap(id).status)
  end

  def test_no_further_request_ends_the_loop_quietly
    warm = loop_of('print 1', behind: "print 2; $stderr.print 3; File.write('#{@folder}/end', 'x')")
    id, socket, out, _err, status = first(warm, 2)
    assert_equal(['1', 0], [out, status])
    socket.close
    assert_equal(0, warm.reap(id).status)
    assert_equal(['x', ''], [File.read("#{@folder}/end"), warm.log])
  end

  def test_directory_and_umask_are_put_back
    warm = loop_of("print Dir.pwd, ' ', File.umask.to_s(8); Dir.chdir('/usr'); File.umask(0o77)", before: "Dir.chdir('/'); File.umask(0o27)")
    id, socket, out, = first(warm, 2)
    assert_equal([out, '/ 27'], [warm.again(socket).first, out])
    assert_equal(0, warm.reap(id).status)
  end

  def test_what_was_read_ahead_is_forgotten
    warm = loop_of('print $stdin.gets, $stdin.lineno; $stdin.ungetc("u")')
    id, socket, out, = first(warm, 2, stdin: "one\ntwo\n")
    assert_equal(["one\n1", ["three\n1", '']], [out, warm.again(socket, stdin: "three\nfour\n")])
    assert_equal(0, warm.reap(id).status)
  end

  def test_duplicates_and_open_files_are_flushed_and_let_go
    warm = loop_of("OLD.print 'old '; ($new ||= $stdout.dup).print 'new'; ($file ||= File.open('#{@folder}/file', 'w')).print 'x'",
                   before: 'OLD = $stdout.dup')
    id, socket, out, = first(warm, 3)
    assert_equal(['old new'.split.sort, 'x'], [out.scan(/old|new/).sort, File.read("#{@folder}/file")])
    out, = warm.again(socket)
    assert_equal(['old new'.split.sort, 'xx'], [out.scan(/old|new/).sort, File.read("#{@folder}/file")])
    socket.close
    assert_equal(0, warm.reap(id).status)
  end

  def test_number_that_was_a_duplicate_and_is_another_file_is_left_alone
    warm = loop_of("OLD.close unless OLD.closed?; ($file ||= File.open('#{@folder}/file', 'w')).print 'x'; print $file.fileno == NUMBER",
                   before: 'OLD = $stdout.dup; NUMBER = OLD.fileno')
    id, socket, out, = first(warm, 3)
    assert_equal('true', out)
    2.times { assert_equal(%w[true], warm.again(socket).first(1)) }
    assert_equal(0, warm.reap(id).status)
    assert_equal('xxx', File.read("#{@folder}/file"))
  end

  def test_call_socket_is_out_of_the_way
    code = "print Dir.children('/proc/self/fd').map { |n| [n.to_i, File.readlink(\"/proc/self/fd/\#{n}\")] rescue nil }.compact" \
           ".select { |_, l| l.start_with?('socket') }.map(&:first).join(','), ' ', `ls -l /proc/self/fd | grep -c socket`"
    _, socket, out, = first(warm = loop_of(code), 2)
    assert_match(/\A[1-9]\d 0\n\z/, out)
    socket.close
    warm.reap(1)
  end

  def test_exit_and_exceptions_end_the_executor
    { 'exit 4' => 4, 'raise "no"' => 1, 'exit' => 0, 'exit!(5)' => 5 }.each do |code, status|
      warm = loop_of("at_exit { $stdout.print 'at exit' }\n#{code}")
      id, socket, out, _err, said = first(warm, 5)
      assert_equal([code, status == 5 ? '' : 'at exit', nil], [code, out, said])
      assert_equal(status, warm.status(warm.reap(id).status))
      socket.close
    end
  end

  def test_child_of_the_script_leaves_the_loop
    warm = loop_of('(pid = fork) && Process.wait(pid); print 1 if pid', behind: "File.write('#{@folder}/behind', $$.to_s, mode: 'a')")
    id, socket, out, _err, status = first(warm, 2)
    assert_equal(['1', 0, 1], [out, status, File.read("#{@folder}/behind").scan(/./).size.clamp(0, 1)])
    assert_equal('1', warm.again(socket).first)
    assert_equal(0, warm.reap(id).status)
  end

  def test_executor_that_cannot_be_cleaned_is_not_used_again
    ["Dir.chdir('#{@folder}/d')", '$stdout.close', '$stdin.close', "File.open('/dev/full', 'w').tap { |f| f.print 1; KEPT = f }"].each do |code|
      Dir.mkdir("#{@folder}/d") unless Dir.exist?("#{@folder}/d")
      moved = code.start_with?('Dir')
      warm = loop_of(moved ? "Dir.rmdir('#{@folder}/d'); Dir.chdir('/')" : code, before: moved ? code : '', behind: 'exit 6')
      id, socket, _out, _err, status = first(warm, 5)
      assert_equal([code, nil, 6], [code, status, warm.status(warm.reap(id).status)])
      socket.close
    end
  end

  def test_nonsense_for_a_later_request
    warm = loop_of('')
    id, socket, = first(warm, 3)
    socket.write("\0\0\0\0\1\0")
    assert_equal(127 << 8, warm.reap(id).status)
  end

  def test_files_loaded_in_a_request_are_reported
    late = file('late.rb', '')
    warm = loop_of("require '#{late}'")
    id, socket, = first(warm, 5)
    socket.close
    warm.reap(id)
    assert_includes(warm.files, late)
  end

  def test_standalone_and_behind_another_fork_point_it_is_one_request
    script = file('s.rb', "require 'prefork_interp'\nprint 1 while PreforkInterp.accept\nprint 2, PreforkInterp.accept\n")
    assert_equal('12false', IO.popen(['ruby', '-I', LIBDIR, script], &:read))
    assert_equal('12false', warm(script).run.out)
    script = file('t.rb', "require 'prefork_interp'\nPreforkInterp.prefork_initialisation_complete\nprint 1 while PreforkInterp.accept\n")
    assert_equal('1', warm(script, mode: 'explicit').run.out)
  end
end
