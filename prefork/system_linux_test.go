package prefork

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// testEnv is the environment of every setup in these tests.
var testEnv = []string{"PATH=/usr/bin:/bin", "SETUP=yes"}

// run is what one call did.
type run struct {
	stdout, stderr string
	status         Status
	pid            int
}

// launch starts script text under the name app in a fresh folder.
func launch(t *testing.T, text string) (Process, string) {
	t.Helper()
	folder := t.TempDir()
	leak.Check(t, folder)
	script := writeScript(t, folder, "app", text)
	p, err := NewSystem(nil).Launch(t.Context(), Command{Script: script, Env: testEnv}, Listener{Output: func(line string) { t.Log("setup: ", line) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, p) })
	return p, folder
}

func writeScript(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// end stops a process and waits until it is gone.
func end(t *testing.T, p Process) {
	t.Helper()
	p.Stop()
	select {
	case <-p.Exited():
	case <-time.After(10 * time.Second):
		t.Error("the process did not end")
		p.Kill()
	}
}

// ask makes one call and collects what it writes.
func ask(t *testing.T, p Process, stdin string, env, args []string) run {
	t.Helper()
	r, err := tryAsk(t, p, stdin, env, args)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryAsk(t *testing.T, p Process, stdin string, env, args []string) (run, error) {
	t.Helper()
	in, theirIn, err := NewInputPipe()
	if err != nil {
		t.Fatal(err)
	}
	c, err := call1(t.Context(), p, Request{Stdin: theirIn, Env: env, Args: args})
	theirIn.Close()
	if err != nil {
		in.Close()
		return run{}, err
	}
	defer closeStreams(c)
	go func() {
		io.WriteString(in, stdin)
		in.Close()
	}()
	stderr := make(chan string)
	go func() { stderr <- readAll(c.Stderr().File()) }()
	r := run{pid: c.PID()}
	r.stdout = readAll(c.Stdout())
	r.stderr = <-stderr
	r.status = c.Wait()
	return r, nil
}

// A waitable is a call with a way to wait for its end.
type waitable struct {
	Call
	ended chan Status
}

// Wait returns the status when the execution is over.
func (w waitable) Wait() Status {
	w.Attend()
	return <-w.ended
}

// call1 makes one call of an executor of its own.
func call1(ctx context.Context, p Process, req Request) (waitable, error) {
	e, err := p.Park(ctx, 1)
	if err != nil {
		return waitable{}, err
	}
	w := waitable{ended: make(chan Status, 1)}
	w.Call, err = e.Start(ctx, req, func(status Status, _ Executor) { w.ended <- status })
	return w, err
}

func closeStreams(c Call) {
	c.Stdout().Close()
	c.Stderr().Close()
}

func readAll(f *os.File) string {
	text, _ := io.ReadAll(f)
	return string(text)
}

const perlHead = "#!/usr/bin/perl\nuse strict; use warnings; use Proc::Prefork::Interp;\n"

func TestWarmScriptGetsItsOwnRequestAndNothingElse(t *testing.T) {
	p, folder := launch(t, perlHead+`
BEGIN { print "setup stdout\n"; }
my $setup = "$ENV{SETUP} @ARGV $$";
prefork_initialisation_complete(log_facility => '');
my $in = do { local $/; <STDIN> };
print "in=$in args=@ARGV\n";
print map { "$_=$ENV{$_}\n" } sort keys %ENV;
opendir my $d, "/proc/self/fd"; my @fd = grep { /\d/ && $_ != fileno $d } readdir $d;
print "cwd=", (readlink "/proc/self/cwd"), " 0=$0\n";
print STDERR "to stderr\n";
`)
	if mode := p.Info().Mode; mode != Explicit {
		t.Fatalf("mode is %s", mode)
	}
	for i := range 3 {
		r := ask(t, p, "body\x00\xff", []string{"A=1", "EMPTY=", "B=x=y"}, []string{"one", "", "t w o"})
		want := "in=body\x00\xff args=one  t w o\nA=1\nB=x=y\nEMPTY=\ncwd=" + folder + " 0=" + folder + "/app"
		if !strings.HasPrefix(r.stdout, want) {
			t.Errorf("call %d: stdout is %q, want %q", i, r.stdout, want)
		}
		if r.stderr != "to stderr\n" {
			t.Errorf("call %d: stderr is %q", i, r.stderr)
		}
		if r.status.Crashed() {
			t.Errorf("call %d: status is %v", i, r.status)
		}
	}
}

func TestEachCallIsAFreshProcess(t *testing.T) {
	p, _ := launch(t, perlHead+`
our $count = 0;
prefork_initialisation_complete(log_facility => '');
print ++$count, " $$\n";
`)
	seen := map[string]bool{}
	for range 5 {
		r := ask(t, p, "", nil, nil)
		count, pid, _ := strings.Cut(strings.TrimSpace(r.stdout), " ")
		if count != "1" || seen[pid] {
			t.Errorf("count %s in process %s, seen %v", count, pid, seen)
		}
		seen[pid] = true
	}
}

func TestFailedSetupTellsExactlyWhatTheScriptWrote(t *testing.T) {
	folder := t.TempDir()
	leak.Check(t, folder)
	script := writeScript(t, folder, "app", perlHead+"warn \"first\\n\";\nsyntax error here(;\nprefork_initialisation_complete();\n")
	_, err := NewSystem(nil).Launch(t.Context(), Command{Script: script, Env: testEnv}, Listener{Output: func(line string) { t.Error("output:", line) }})
	var setup *SetupError
	if !errors.As(err, &setup) {
		t.Fatalf("error is %v", err)
	}
	if setup.Status.Code != 255 || !strings.Contains(err.Error(), fmt.Sprintf("syntax error at %s line 4", script)) {
		t.Errorf("error is %v", err)
	}
	if !strings.HasSuffix(string(setup.Stderr), "\n") {
		t.Errorf("stderr is not whole: %q", setup.Stderr)
	}
}

func TestSetupThatHangsIsKilled(t *testing.T) {
	folder := t.TempDir()
	leak.Check(t, folder)
	script := writeScript(t, folder, "app", perlHead+"$SIG{TERM}='IGNORE'; $|=1; print STDERR 'waiting'; system 'sleep 1000'; prefork_initialisation_complete();\n")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := NewSystem(nil).Launch(ctx, Command{Script: script, Env: testEnv}, Listener{})
	var setup *SetupError
	if !errors.As(err, &setup) || !setup.TimedOut || string(setup.Stderr) != "waiting" {
		t.Errorf("error is %v", err)
	}
}

func TestScriptThatNeverCallsTheLibraryIsCold(t *testing.T) {
	p, _ := launch(t, "#!/bin/sh\n: prefork_initialisation_complete\necho hello $1\n")
	if info := p.Info(); info.Mode != Cold || info.Note == "" {
		t.Errorf("info is %+v", info)
	}
	if r := ask(t, p, "", testEnv, []string{"you"}); r.stdout != "hello you\n" || r.status.String() != "0" {
		t.Errorf("got %+v", r)
	}
}

func TestColdStatus(t *testing.T) {
	p, _ := launch(t, "#!/bin/sh\n[ $1 = sig ] && kill -$2 $$\nexit $2\n")
	for _, c := range []struct{ how, arg, want string }{{"exit", "0", "0"}, {"exit", "3", "3"}, {"exit", "255", "255"}, {"sig", "9", "SIGKILL"}, {"sig", "2", "SIGINT"}} {
		if r := ask(t, p, "", testEnv, []string{c.how, c.arg}); r.status.String() != c.want {
			t.Errorf("%s %s: status is %v", c.how, c.arg, r.status)
		}
	}
}

func TestWarmStatusIsTheScriptsOrUnknown(t *testing.T) {
	p, _ := launch(t, perlHead+`prefork_initialisation_complete(log_facility => ''); kill $ARGV[1], $$ if $ARGV[0] eq 'sig'; POSIX::_exit($ARGV[1]) if $ARGV[0] eq '_exit'; exit $ARGV[1]`)
	for _, c := range []struct{ how, arg, want string }{{"_exit", "0", "0"}, {"_exit", "3", "3"}, {"exit", "7", "7"}, {"sig", "KILL", "SIGKILL"}, {"sig", "TERM", "SIGTERM"}} {
		r := ask(t, p, "", testEnv, []string{c.how, c.arg})
		if got := r.status.String(); got != c.want && (got != "unknown" || c.how == "sig") {
			t.Errorf("%s %s: status is %v", c.how, c.arg, r.status)
		}
	}
}

func TestSignalsAreDefaultInScripts(t *testing.T) {
	// As Caddy does it; and undone, since it holds for the whole process.
	ignoreSIGPIPE(t)
	for name, text := range map[string]string{
		"cold": "#!/bin/sh\ngrep -E 'SigIgn|SigBlk' /proc/self/status\n",
		"warm": perlHead + "prefork_initialisation_complete(log_facility => ''); system 'grep', '-E', 'SigIgn|SigBlk', '/proc/self/status'",
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := launch(t, text)
			r := ask(t, p, "", testEnv, nil)
			for line := range strings.Lines(r.stdout) {
				var mask uint64
				fmt.Sscanf(strings.Fields(line)[1], "%x", &mask)
				if mask&(1<<(syscall.SIGPIPE-1)|1<<(syscall.SIGTERM-1)|1<<(syscall.SIGINT-1)|1<<(syscall.SIGCHLD-1)) != 0 {
					t.Errorf("%s", line)
				}
			}
			if r.stdout == "" {
				t.Errorf("no output, status %v, stderr %q", r.status, r.stderr)
			}
		})
	}
}
