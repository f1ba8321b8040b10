package prefork

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// running is a call whose end has not been waited for.
type running struct {
	waitable
	stdout *bufio.Reader
}

// begin makes a call and leaves it running. The first line of its output is read.
func begin(t *testing.T, p Process, args ...string) (running, string) {
	t.Helper()
	c, err := call1(t.Context(), p, Request{Env: testEnv, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStreams(c) })
	r := running{c, bufio.NewReader(c.Stdout())}
	line, err := r.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("no first line: %q, %v", line, err)
	}
	return r, strings.TrimSpace(line)
}

const sleeper = perlHead + `$| = 1; prefork_initialisation_complete(log_facility => '');
if (@ARGV) { $SIG{INT} = $SIG{TERM} = 'IGNORE' if $ARGV[0] eq 'stubborn'; }
print "$$\n"; sleep 1000 while 1;`

func TestKilledServerLeavesItsCallsAlone(t *testing.T) {
	p, _ := launch(t, perlHead+`$| = 1; prefork_initialisation_complete(log_facility => ''); print "begun\n"; <STDIN>; print "done\n"; POSIX::_exit(4)`)
	in, theirIn, err := NewInputPipe()
	if err != nil {
		t.Fatal(err)
	}
	c, err := call1(t.Context(), p, Request{Stdin: theirIn})
	theirIn.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer closeStreams(c)
	stdout := bufio.NewReader(c.Stdout())
	if line, _ := stdout.ReadString('\n'); line != "begun\n" {
		t.Fatalf("first line is %q", line)
	}
	syscall.Kill(p.Info().PID, syscall.SIGKILL)
	<-p.Exited()
	if _, err := p.Park(t.Context(), 1); !errors.Is(err, ErrGone) {
		t.Errorf("a call of the dead server: %v", err)
	}
	in.Close()
	if rest, _ := io.ReadAll(stdout); string(rest) != "done\n" {
		t.Errorf("rest is %q", rest)
	}
	if status := c.Wait(); status.String() != "4" {
		t.Errorf("status is %v", status)
	}
}

func TestKilledMonitorTakesItsExecutorAlong(t *testing.T) {
	p, _ := launch(t, sleeper)
	r, executor := begin(t, p, "stubborn")
	syscall.Kill(r.Call.(*call).peer.pid, syscall.SIGKILL)
	if status := r.Wait(); !status.Lost {
		t.Errorf("status is %v", status)
	}
	awaitEnd(t, executor)
	next, _ := begin(t, p)
	next.Interrupt(syscall.SIGTERM)
	next.Wait()
}

func TestKilledExecutorIsReported(t *testing.T) {
	p, _ := launch(t, sleeper)
	r, executor := begin(t, p)
	if got := strconv.Itoa(r.PID()); got != executor {
		t.Errorf("PID is %s, the executor's is %s", got, executor)
	}
	syscall.Kill(r.PID(), syscall.SIGKILL)
	if status := r.Wait(); status.String() != "SIGKILL" {
		t.Errorf("status is %v", status)
	}
}

func TestKilledWaitingMonitorIsReplaced(t *testing.T) {
	p, _ := launch(t, perlHead+`prefork_initialisation_complete(log_facility => ''); print "hello\n"`)
	monitor := p.(*server).first.peer.pid
	syscall.Kill(monitor, syscall.SIGKILL)
	awaitEnd(t, strconv.Itoa(monitor))
	if _, err := tryAsk(t, p, "", nil, nil); !errors.Is(err, ErrGone) {
		t.Errorf("the dead monitor: %v", err)
	}
	if r := ask(t, p, "", nil, nil); r.stdout != "hello\n" {
		t.Errorf("got %+v", r)
	}
}

func TestInterruptEndsWhatListensAndKillEndsTheRest(t *testing.T) {
	for name, text := range map[string]string{
		"warm": sleeper,
		"cold": "#!/bin/sh\n[ \"$1\" ] && trap '' INT TERM\necho $$\nwhile :; do sleep 1000; done\n",
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := launch(t, text)
			polite, _ := begin(t, p)
			polite.Interrupt(syscall.SIGTERM)
			if status := polite.Wait(); status.Signal != int(syscall.SIGINT) && status.Signal != int(syscall.SIGTERM) {
				t.Errorf("status of the polite one is %v", status)
			}
			stubborn, pid := begin(t, p, "stubborn")
			stubborn.Interrupt(syscall.SIGTERM)
			ended := make(chan Status)
			go func() { ended <- stubborn.Wait() }()
			select {
			case status := <-ended:
				t.Errorf("the stubborn one ended with %v", status)
				return
			case <-time.After(200 * time.Millisecond):
			}
			stubborn.Kill()
			if status := <-ended; !status.Crashed() {
				t.Errorf("status of the stubborn one is %v", status)
			}
			awaitEnd(t, pid)
		})
	}
}

func TestInterruptedCallLeavesNothingOfItsGroup(t *testing.T) {
	for name, text := range map[string]string{
		"warm": perlHead + `$| = 1; prefork_initialisation_complete(log_facility => '');
if (!fork) { $SIG{INT} = $SIG{TERM} = 'IGNORE'; print "$$\n"; sleep 1000 while 1 } sleep 1000;`,
		"cold": "#!/bin/sh\n(trap '' INT TERM; sh -c 'echo $$; sleep 1000') & sleep 1000\n",
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := launch(t, text)
			r, grandchild := begin(t, p)
			r.Interrupt(syscall.SIGTERM)
			r.Wait()
			awaitEnd(t, grandchild)
		})
	}
}

// Each process of these ignores what it can; the last ones are in a session of their own.
func TestKilledCallLeavesNoneOfItsDescendants(t *testing.T) {
	for name, text := range map[string]string{
		"warm": perlHead + `$| = 1; prefork_initialisation_complete(log_facility => '');
$SIG{INT} = $SIG{TERM} = 'IGNORE';
exec 'setsid', 'sh', '-c', 'sh -c "echo \$\$; sleep 1000; true"; true' unless fork; sleep 1000 while 1;`,
		"cold": `#!/bin/sh
trap '' INT TERM
setsid sh -c 'sh -c "echo \$\$; sleep 1000; true"; true' & while :; do sleep 1000; done
`,
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := launch(t, text)
			r, grandchild := begin(t, p)
			r.Interrupt(syscall.SIGTERM)
			if pid, _ := strconv.Atoi(grandchild); syscall.Kill(pid, 0) != nil {
				t.Errorf("%s has not ignored the signal", grandchild)
			}
			r.Kill()
			r.Wait()
			if pid, _ := strconv.Atoi(grandchild); alive(pid) {
				t.Errorf("%s is left when the call's end is told", grandchild)
			}
		})
	}
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	s, ok := statOf(pid)
	return ok && s.state != "Z"
}

func TestBackgroundProcessOutlivesAColdCall(t *testing.T) {
	p, folder := launch(t, "#!/bin/sh\n(sleep 1000 >/dev/null 2>&1 </dev/null & echo $!)\n")
	r := ask(t, p, "", testEnv, nil)
	pid, _ := strconv.Atoi(strings.TrimSpace(r.stdout))
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("process %d of %s: %v", pid, folder, err)
	}
	syscall.Kill(pid, syscall.SIGKILL)
}

func TestDuplicatedStderrOfSetupDoesNotHoldTheFirstCall(t *testing.T) {
	folder := t.TempDir()
	leak.Check(t, folder)
	lines := make(chan string, 10)
	script := writeScript(t, folder, "app", perlHead+`
open our $dup, '>&', \*STDERR or die; $dup->autoflush(1); use IO::Handle; print $dup "from setup\n";
prefork_initialisation_complete(log_facility => '');
print "page\n"; print $dup "from the call\n";`)
	p, err := NewSystem(nil).Launch(t.Context(), Command{Script: script, Env: testEnv}, Listener{Output: func(line string) { lines <- line }})
	if err != nil {
		t.Fatal(err)
	}
	defer end(t, p)
	for range 2 {
		if r := ask(t, p, "", nil, nil); r.stdout != "page\n" || r.stderr != "" {
			t.Errorf("got %+v", r)
		}
	}
	for _, want := range []string{"from setup", "from the call", "from the call"} {
		if line := <-lines; line != want {
			t.Errorf("line is %q, want %q", line, want)
		}
	}
}

func TestDeathIsNoticedThoughSetupLeftAProcessBehind(t *testing.T) {
	p, folder := launch(t, perlHead+`system 'sleep 1000 &'; prefork_initialisation_complete(log_facility => '');`)
	ask(t, p, "", nil, nil)
	syscall.Kill(p.Info().PID, syscall.SIGKILL)
	select {
	case <-p.Exited():
	case <-time.After(5 * time.Second):
		t.Error("the server's death was not noticed")
	}
	exec.Command("pkill", "-f", "^sleep 1000$").Run()
	_ = folder
}

func TestNoSocketFileIsLeftAndNobodyElseCanConnect(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	p, _ := launch(t, sleeper)
	files, err := os.ReadDir(temp)
	if err != nil || len(files) > 0 {
		t.Errorf("files are left: %v, %v", files, err)
	}
	bound, _ := os.ReadFile("/proc/net/unix")
	if strings.Contains(string(bound), "@") && strings.Contains(string(bound), "@.prefork") {
		t.Error("the socket has an abstract name")
	}
	_ = p
}

// awaitEnd waits until no process, or only a zombie, has the number.
func awaitEnd(t *testing.T, pid string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if !leak.StatOf(pid).Running() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("process %s did not end", pid)
}

func TestNothingIsLeftWhenTheOwnerIsKilled(t *testing.T) {
	folder := t.TempDir()
	leak.Check(t, folder)
	writeScript(t, folder, "warm", sleeper)
	writeScript(t, folder, "cold", "#!/bin/sh\ntrap '' INT TERM\n(echo $$; sleep 1000)\n")
	owner := asRole("owner", folder, os.Args[0])
	stdout, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Errorf("owner said %q", line)
	}
	if n := len(leak.Processes(folder)); n < 3 { // server, executor, cold script; the monitor shows no path
		t.Errorf("only %d processes run: %q", n, leak.Processes(folder))
	}
	owner.Process.Kill()
	owner.Wait() // that nothing is left is the leak check's to say
}

func TestWhatSetupLeftBehindHoldsNoCall(t *testing.T) {
	p, _ := launch(t, perlHead+`$| = 1; print STDERR "\n"; system('sleep 1000 & echo $! >left');
prefork_initialisation_complete(log_facility => ''); open my $f, '<', 'left'; my $left = <$f>; chomp $left;
print getppid(), " $left\n"; sleep 1000 while 1;`)
	r, line := begin(t, p)
	monitor, left, _ := strings.Cut(line, " ")
	t.Cleanup(func() { syscall.Kill(must(strconv.Atoi(left)), syscall.SIGKILL) })
	syscall.Kill(must(strconv.Atoi(monitor)), syscall.SIGKILL)
	// The one that was left holds the other end of the first call's socket.
	if status := r.Wait(); !status.Lost {
		t.Errorf("status %v", status)
	}
}
