package conformance

import "strings"

// trials are the cases of the matrix. A script has no fork point of its own here;
// prepare puts one before it where it is explicit.
var trials = map[string]trial{
	"environment": {
		perl: `print map { "$_=$ENV{$_}\0" } (sort { "$a=$ENV{$a}" cmp "$b=$ENV{$b}" } keys %ENV)`,
		python: `import os, sys
for pair in sorted(k + b'=' + v for k, v in os.environb.items()):
    sys.stdout.buffer.write(pair + b'\0')`,
		ruby: `print ENV.map { |k, v| "#{k}=#{v}\0".b }.sort.join`,
		run:  seeEnvironment,
	},
	"arguments": {
		perl: `print map "<$_>", @ARGV`,
		python: `import sys
print(''.join('<%s>' % a for a in sys.argv[1:]), end='')`,
		ruby: `print ARGV.map { |a| "<#{a}>" }.join`,
		run:  seeArguments,
	},
	"binary stdin and stdout": {
		perl: `binmode STDIN; binmode STDOUT; print while read STDIN, $_, 65536`,
		python: `import shutil, sys
shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)`,
		ruby: `IO.copy_stream($stdin.binmode, $stdout.binmode)`,
		run:  seeStdin,
	},
	"interleaved stderr": {
		perl: `open STDERR, '>&', \*STDOUT; $| = 1; for (1..20) { print "out $_\n"; print STDERR "err $_\n" }`,
		python: `import os, sys
os.dup2(1, 2)
for i in range(1, 21):
    print('out', i, flush=True)
    print('err', i, file=sys.stderr, flush=True)`,
		ruby: `$stderr.reopen($stdout); $stdout.sync = true; (1..20).each { |i| puts "out #{i}"; warn "err #{i}" }`,
		run:  twice(callSpec{}, outcome{interleaved(20), "", "0"}),
	},
	"buffered output": {
		perl:   `print 'x' x 10000; print STDERR 'e'`,
		python: "import sys\nsys.stdout.write('x' * 10000); sys.stderr.write('e')",
		ruby:   `print 'x' * 10000; $stderr.print 'e'`,
		run:    twice(callSpec{}, outcome{strings.Repeat("x", 10000), "e", "0"}),
	},
	"exit 0":   exiting("0"),
	"exit 1":   exiting("1"),
	"exit 3":   exiting("3"),
	"exit 255": exiting("255"),
	"end without exit": {
		perl:   `print 'x'`,
		python: `print('x', end='')`,
		ruby:   `print 'x'`,
		run:    twice(callSpec{}, outcome{"x", "", "0"}),
	},
	"killed": {
		perl:   `kill $ENV{SIGNAL}, $$; sleep 9`,
		python: "import os, time\nos.kill(os.getpid(), int(os.environ['SIGNAL'])); time.sleep(9)",
		ruby:   `Process.kill(ENV['SIGNAL'].to_i, $$); sleep 9`,
		run:    seeKilled,
	},
	"grandchild holds stdout": {
		perl: `$| = 1; my $pid = fork // die; if (!$pid) { sleep 999; exit } print "$pid\n"; exit 0`,
		python: `import os, time
pid = os.fork()
if not pid:
    time.sleep(999)
print(pid, flush=True)`,
		ruby: `pid = fork { sleep 999 }; Process.detach(pid); puts pid; $stdout.flush; exit! 0`,
		run:  seeGrandchild,
	},
	"stdin is closed unread": {
		perl:   `close STDIN; print 'closed'`,
		python: "import os, sys\nos.close(0); print('closed', end='')",
		ruby:   `$stdin.close; print 'closed'`,
		run: func(s *subject) {
			for range 2 {
				s.want(callSpec{stdin: reader(1 << 20)}, outcome{"closed", "", "0"})
			}
		},
	},
	"changed directory and umask": {
		perl: `use Cwd; printf "%s %04o\n", getcwd, umask; chdir '/'; umask 077`,
		python: `import os
mask = os.umask(0o77)
print('%s %04o' % (os.getcwd(), mask))
os.chdir('/')`,
		ruby: `printf "%s %04o\n", Dir.pwd, File.umask; Dir.chdir '/'; File.umask 077`,
		run:  seePlace,
	},
	"signal handlers": {
		perl: `$SIG{USR1} = sub { print "handled\n" }; kill USR1 => $$;
open my $f, '<', '/proc/self/status'; print grep /^Sig(Blk|Ign|Cgt)/, <$f>`,
		python: `import os, signal
signal.signal(signal.SIGUSR1, lambda *a: print('handled'))
os.kill(os.getpid(), signal.SIGUSR1)
for line in open('/proc/self/status'):
    if line.startswith(('SigBlk', 'SigIgn', 'SigCgt')):
        print(line, end='')`,
		ruby: `trap(:USR1) { puts 'handled' }; Process.kill(:USR1, $$); sleep 0.01
puts File.readlines('/proc/self/status').grep(/^Sig(Blk|Ign|Cgt)/)`,
		run: seeSignals,
		not: []way{standalone, reference, debian}, // the reference blocks and ignores what it likes
	},
	"client disconnects": {
		perl:   `$| = 1; print "$$\n"; sleep 999`,
		python: "import os, time\nprint(os.getpid(), flush=True); time.sleep(999)",
		ruby:   `$stdout.sync = true; puts $$; sleep 999`,
		run:    seeInterrupt,
		not:    []way{standalone},
	},
	"random numbers and temporary names": {
		perl: `use File::Temp; printf "%.17g %s\n", rand, File::Temp->new(UNLINK => 1)->filename`,
		python: `import random, tempfile
print(random.random(), tempfile.NamedTemporaryFile().name)`,
		ruby: `require 'tempfile'
puts "#{rand} #{Tempfile.create { |f| File.basename(f.path) }}"`,
		run: seeRandom,
		not: []way{standalone, debian}, // one shares nothing; the other shares the seed
	},
	"process number": {
		perl: `$| = 1; print $$, ' ', readlink '/proc/self'; print "\n"; 1 while <STDIN>`,
		python: `import os, sys
print(os.getpid(), os.readlink('/proc/self'), flush=True); sys.stdin.read()`,
		ruby: `$stdout.sync = true; puts "#{$$} #{File.readlink('/proc/self')}"; $stdin.read`,
		run:  seePID,
	},
	"locale": {
		perl:   `use POSIX; use I18N::Langinfo qw(langinfo CODESET); print langinfo(CODESET), ' ', setlocale(LC_CTYPE)`,
		python: "import locale\nprint(locale.nl_langinfo(locale.CODESET), locale.setlocale(locale.LC_CTYPE), end='')",
		ruby:   `print Encoding.find('locale'), ' ', 'C.UTF-8'`,
		run:    twice(callSpec{}, outcome{"UTF-8 C.UTF-8", "", "0"}),
	},
	"descriptors": {
		perl: `opendir my $d, '/proc/self/fd'; my $n = fileno $d; print join ' ', sort grep { /\d/ && $_ != $n } readdir $d`,
		python: `import os
print(' '.join(sorted(n for n in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + n))), end='')`,
		ruby: `d = Dir.new('/proc/self/fd'); print((d.children.map(&:to_i) - [d.fileno]).select { |n| n < 3 || IO.for_fd(n, autoclose: false) rescue false }.sort.join(' '))`,
		run:  twice(callSpec{}, outcome{"0 1 2", "", "0"}),
		not:  []way{debian}, // leaves those of the handover open
	},
}

// exiting is a trial of one exit code.
func exiting(code string) trial {
	return trial{
		perl:   `print "out\n"; print STDERR "err\n"; exit ` + code,
		python: "import sys\nprint('out'); print('err', file=sys.stderr); sys.exit(" + code + ")",
		ruby:   `puts 'out'; warn 'err'; exit ` + code,
		run:    twice(callSpec{}, outcome{"out\n", "err\n", code}),
	}
}
