package e2e

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// loops are scripts that ask for their requests. Each says its process, how many
// requests that has had, and what it has read.
var loops = map[string]string{
	"app.pl": `#!/usr/bin/perl
use strict; use Proc::Prefork::Interp; my $count = 0;
while (prefork_accept()) {
    $count++;
    my $in = do { local $/; <STDIN> } // '';
    print "Content-Type: text/plain\n\n$$ $count $ENV{QUERY_STRING} $in";
    $ENV{LEFT} = 'behind'; chdir '/'; umask 0; alarm 1;
    print STDERR "said $count\n" if $ENV{QUERY_STRING} eq 'say';
}
`,
	"app.py": `#!/usr/bin/python3
import os, sys, signal, prefork_interp
count = 0
while prefork_interp.accept():
    count += 1
    data = sys.stdin.read()
    print("Content-Type: text/plain\n")
    print(os.getpid(), count, os.environ["QUERY_STRING"], data, end="")
    os.environ["LEFT"] = "behind"; os.chdir("/"); os.umask(0); signal.alarm(1)
    if os.environ["QUERY_STRING"] == "say": print("said", count, file=sys.stderr)
`,
	"app.rb": `#!/usr/bin/ruby
require 'prefork_interp'
count = 0
while PreforkInterp.accept
  count += 1
  data = $stdin.read
  print "Content-Type: text/plain\n\n#{$$} #{count} #{ENV['QUERY_STRING']} #{data}"
  ENV['LEFT'] = 'behind'; Dir.chdir('/'); File.umask(0)
  warn "said #{count}" if ENV['QUERY_STRING'] == 'say'
end
`,
}

// ask makes a request with a body, and returns what a script of loops says.
func ask(s *site.Site, path, query, body string) (pid, count int) {
	r := s.Do("POST", path+"?"+query, strings.NewReader(body))
	var q, b string
	if n, _ := fmt.Sscanf(strings.ReplaceAll(r.Body, "-", " "), "%d %d %s %s", &pid, &count, &q, &b); n < 3 || q != query || b != body {
		s.T.Errorf("%s?%s with %q: got %+v", path, query, body, r)
	}
	return pid, count
}

func TestPersistentExecutors(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_requests 3\n max_concurrent 1\n}", loops)
	for name := range loops {
		t.Run(name, func(t *testing.T) {
			var last int
			for i := range 9 {
				pid, count := ask(s, "/"+name, fmt.Sprintf("q%d", i), fmt.Sprintf("body%d", i))
				if want := i%3 + 1; count != want || (count > 1) != (pid == last) {
					t.Errorf("request %d: the %d. of process %d after %d; want the %d.", i, count, pid, last, want)
				}
				last = pid
			}
		})
	}
}

// Without max_requests the idiom changes nothing: each request has its own process.
func TestAcceptIdiomByDefault(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", loops)
	for name := range loops {
		first, _ := ask(s, "/"+name, "a", "b")
		second, count := ask(s, "/"+name, "c", "d")
		if first == second || count != 1 {
			t.Errorf("%s: the %d. of process %d after %d", name, count, second, first)
		}
	}
}

// Many clients at once, each with a body of its own: nothing is mixed up.
func TestPersistentExecutorsUnderLoad(t *testing.T) {
	s := site.Serve(t, "prefork_cgi {\n max_requests 50\n max_concurrent 3\n}", loops)
	for name := range loops {
		var all sync.WaitGroup
		for client := range 4 {
			all.Go(func() {
				for i := range 60 {
					ask(s, "/"+name, fmt.Sprintf("c%d", client), strings.Repeat("x", i*client*1000)+fmt.Sprint(i))
				}
			})
		}
		all.Wait()
	}
}

func TestPersistentExecutorIsKilled(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_requests 1000\n max_concurrent 1\n}", loops)
	for name := range loops {
		for range 3 {
			pid, _ := ask(s, "/"+name, "a", "b")
			site.Must(t, syscall.Kill(pid, syscall.SIGKILL)) // while it waits
			s.AwaitGone(pid)
			if next, count := ask(s, "/"+name, "c", "d"); next == pid || count != 1 {
				t.Errorf("%s: the %d. of process %d, after %d was killed", name, count, next, pid)
			}
		}
	}
}

// A change is seen at once, though an executor waits that knows the old code.
func TestPersistentExecutorIsNeverStale(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_requests 1000\n}", loops)
	for name, text := range loops {
		for i := range 20 {
			query := fmt.Sprintf("version%d", i)
			s.Write(name, strings.ReplaceAll(text, "text/plain", "text/"+query))
			if r := s.Get("/" + name + "?q"); r.Header.Get("Content-Type") != "text/"+query {
				t.Errorf("%s: got %s after the change to %s", name, r.Header.Get("Content-Type"), query)
			}
		}
	}
}

func TestPersistentExecutorsEndWithTheirPool(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_requests 1000\n idle_timeout 500ms\n}", loops)
	var pids []int
	for name := range loops {
		pid, _ := ask(s, "/"+name, "a", "b")
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		s.AwaitGone(pid)
	}
}

func TestPersistentExecutorThatGrowsIsReplaced(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_requests 1000 1h 20MiB\n max_concurrent 1\n}", map[string]string{
		"app.pl": "#!/usr/bin/perl\nuse Proc::Prefork::Interp; my @leak;\nwhile (prefork_accept()) { push @leak, 'x' x 2_000_000; print \"Content-Type: text/plain\\n\\n$$\" }\n",
	})
	processes := map[string]bool{}
	for range 40 {
		processes[s.Get("/app.pl").Body] = true
	}
	if len(processes) < 2 || len(processes) > 3 {
		t.Errorf("40 requests had %d processes", len(processes))
	}
}

// What an executor says on stderr is logged with the request that it was said in.
func TestPersistentStderrBelongsToItsRequest(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_requests 1000\n max_concurrent 1\n}", loops)
	for name := range loops {
		for i := 1; i <= 3; i++ {
			ask(s, "/"+name, "say", "x")
			s.AwaitEntry("script stderr", func(e map[string]any) bool {
				return e["line"] == fmt.Sprintf("said %d", i) && e["script"] == s.Path(name)
			})
		}
	}
}

// reruns are scripts that know nothing of a library and do to their process what they
// can. Each says in one line what it finds.
var reruns = map[string]string{
	"app.pl": `#!/usr/bin/perl
use strict; use Cwd ();
our $count; my $own; $count++; $own++;
print "Content-Type: text/plain\n\n";
printf "%d %d %s %s %o %s %s %s", $count, $own, $ENV{LEFT} // 'no', Cwd::getcwd() eq '/' ? 'moved' : 'here', umask, ref $SIG{ALRM} || 'none', scalar(<DATA>) =~ /(\w+)/, $, // 'undef';
$ENV{LEFT} = 'behind'; chdir '/'; umask 0; $SIG{ALRM} = sub { }; alarm 100; $, = 'x'; open OTHER, '<', '/dev/null';
exit 3 if $ENV{QUERY_STRING} eq 'exit';
__DATA__
data
`,
	"app.py": `#!/usr/bin/python3
import os, signal
try: count += 1
except NameError: count = 1
old = os.umask(0); os.umask(old)
print("Content-Type: text/plain\n")
print(count, 1, os.environ.get("LEFT", "no"), "moved" if os.getcwd() == "/" else "here", "%o" % old,
      "none" if signal.getsignal(signal.SIGALRM) == signal.SIG_DFL else "CODE", "data", "undef", end="")
os.environ["LEFT"] = "behind"; os.chdir("/"); os.umask(0); signal.signal(signal.SIGALRM, lambda *a: None); signal.alarm(100)
if os.environ["QUERY_STRING"] == "exit": raise SystemExit(3)
`,
	"app.rb": `#!/usr/bin/ruby
$count = ($count || 0) + 1
own = 1
print "Content-Type: text/plain\n\n"
handler = trap('ALRM', 'DEFAULT')
print "#{$count} #{own} #{ENV['LEFT'] || 'no'} #{Dir.pwd == '/' ? 'moved' : 'here'} #{File.umask.to_s(8)} #{handler == 'DEFAULT' ? 'none' : 'CODE'} #{DATA.read.strip} #{$, || 'undef'}"
ENV['LEFT'] = 'behind'; Dir.chdir('/'); File.umask(0); trap('ALRM') { }
exit 3 if ENV['QUERY_STRING'] == 'exit'
__END__
data
`,
}

// With reuse an unchanged script is run again in the same process, and sees nothing of
// the requests before. Ruby's library cannot do that: there each request has a process.
func TestReuse(t *testing.T) {
	t.Parallel()
	umask := syscall.Umask(0)
	syscall.Umask(umask)
	want := fmt.Sprintf("1 1 no here %o none data undef", umask)
	s := site.Serve(t, withMode+"@pid path *\nheader @pid >Prefork-Pid {http.prefork_cgi.pid}\nprefork_cgi {\n max_requests 10\n max_concurrent 1\n reuse on\n}", reruns)
	for name := range reruns {
		processes := map[string]bool{}
		for i := range 20 {
			query := []string{"a", "exit"}[i%2]
			r := s.Get("/" + name + "?" + query)
			if r.Status != 200 || r.Body != want {
				t.Errorf("%s, request %d: got %d %q, %v; want %q", name, i, r.Status, r.Body, r.Err, want)
			}
			wantMode(t, r, "automatic")
			processes[r.Header.Get("Prefork-Pid")] = true
		}
		if once := name == "app.rb"; once && len(processes) != 20 || !once && len(processes) > 4 {
			t.Errorf("%s: 20 requests had %d processes", name, len(processes))
		}
	}
}

// The exit status is each request's own.
func TestPersistentStatusIsLogged(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "log\nprefork_cgi {\n max_requests 10\n max_concurrent 1\n reuse on\n}", reruns)
	for name := range reruns {
		for _, query := range []string{"a", "exit", "a"} {
			s.Get("/" + name + "?" + query)
			s.AwaitEntry("handled request", func(e map[string]any) bool {
				field, _ := e["prefork_cgi"].(map[string]any)
				request, _ := e["request"].(map[string]any)
				return request["uri"] == "/"+name+"?"+query && field["exit_status"] == map[string]string{"a": "0", "exit": "3"}[query]
			})
		}
	}
}

// A process that the script leaves behind and that holds its output does not hold up
// the response, nor the next one.
func TestPersistentGrandchildHoldsOutput(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_requests 1000\n max_concurrent 1\n}", map[string]string{
		"app.pl": `#!/usr/bin/perl
use Proc::Prefork::Interp;
while (prefork_accept()) {
    $| = 1; print "Content-Type: text/plain\n\n$ENV{QUERY_STRING}";
    if (!fork) { sleep 2; print "late"; require POSIX; POSIX::_exit(0) }
}
`,
	})
	for i := range 5 {
		began := time.Now()
		s.Want(s.Get(fmt.Sprintf("/app.pl?q%d", i)), 200, fmt.Sprintf("q%d", i))
		if took := time.Since(began); took > time.Second {
			t.Errorf("request %d took %v", i, took)
		}
	}
}
