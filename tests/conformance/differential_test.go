// Package conformance compares us with the reference: the same scripts, with the
// library that Debian ships, run by /usr/bin/prefork-interp and by our launcher.
package conformance

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/prefork"
	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

const client = "/usr/bin/prefork-interp"

// A scenario is a script and one way to call it.
type scenario struct {
	setup, body string // Perl before and after initialisation complete
	env, args   []string
	stdin       string
}

// An outcome is what a call did.
type outcome struct{ stdout, stderr, status string }

// unreliable is the reference's status for an executor that ended by itself and
// was hit by the monitor's SIGINT on its way out. It tells nothing.
const unreliable = "SIGINT"

func TestSameAsTheReference(t *testing.T) {
	// The reference makes the folder of its sockets when it is first called, and
	// fails where two first calls meet.
	if out, err := exec.Command(client, "--kill", "-U", "perl", "/nonexistent").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, c := range map[string]scenario{
		"environment": {
			body: `print map { "$_=$ENV{$_}\n" } sort keys %ENV;`,
			env:  []string{"A=1", "EMPTY=", "EQ=a=b", "LINES=a\nb", "BYTES=\xff\xfe"},
		},
		"arguments": {
			body: `print scalar(@ARGV), map { "<$_>" } @ARGV;`,
			args: []string{"one", "", "t w o", "-x", "--", "\xff"},
		},
		"empty input":   {body: `print defined(<STDIN>) ? 'some' : 'none'`},
		"binary input":  {body: `binmode STDIN; binmode STDOUT; local $/; print length($_ = <STDIN>), $_`, stdin: "\x00\xff\n\r\x1a"},
		"large input":   {body: `local $/; my $in = <STDIN>; print length $in, ' ', unpack '%32C*', $in`, stdin: strings.Repeat("0123456789abcdef", 20_000)},
		"large output":  {body: `print 'x' x 1_000_000`},
		"unread input":  {body: `close STDIN; print 'closed'`, stdin: strings.Repeat("x", 200_000)},
		"both outputs":  {body: `$| = 1; for (1..5) { print "out $_\n"; print STDERR "err $_\n" }`},
		"place":         {body: `use Cwd; printf "%s %04o %s %s", getcwd, umask, $0, join ',', map { -t $_ ? 'tty' : 'no' } *STDIN, *STDOUT, *STDERR`},
		"child":         {body: `print 'before '; $| = 1; print ''; system 'echo child; cat'; print 'after ', $? >> 8`, stdin: "to the child"},
		"setup output":  {setup: `print "setup out\n"; print STDERR "setup err\n";`, body: `print 'page'`},
		"setup state":   {setup: `our $n = 1; our %seen = %ENV; chdir '/'; umask 027;`, body: `use Cwd; our ($n, %seen); printf "%d %s %03o %s", $n++, getcwd, umask, $seen{A}`, env: []string{"A=same"}},
		"warning":       {body: `warn "careful"; print 'page'`},
		"death":         {body: `print 'part'; die "fatal\n"`},
		"exit 0":        {body: `print 'x'; exit 0`},
		"exit 3":        {body: `print 'x'; exit 3`},
		"_exit 0":       {body: `POSIX::_exit(0)`},
		"_exit 7":       {body: `POSIX::_exit(7)`},
		"_exit 255":     {body: `POSIX::_exit(255)`},
		"killed":        {body: `kill KILL => $$; sleep 9`},
		"terminated":    {body: `kill TERM => $$; sleep 9`},
		"no output":     {body: `1`},
		"broken setup":  {setup: `BEGIN { print STDERR "loading\n" } die "cannot load\n";`},
		"setup exits 4": {setup: `print STDERR "giving up\n"; exit 4;`},
		"syntax error":  {setup: `this is not perl(;`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			leak.CheckProcesses(t, folder)
			c.env = append(c.env, "PATH=/usr/bin:/bin", "XDG_RUNTIME_DIR="+folder)
			script := filepath.Join(folder, "script")
			text := "#!/usr/bin/perl\nuse POSIX (); use IO::File; use Proc::Prefork::Interp;\n" + c.setup +
				"\nprefork_initialisation_complete(log_facility => '');\n" + c.body + "\n"
			if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
			// Twice each: the call that started the server, and a later one.
			theirs := byReference(t, c, script)
			ours := byUs(t, c, script)
			for i := range theirs {
				compare(t, i, theirs[i], ours[i])
			}
		})
	}
}

func compare(t *testing.T, call int, theirs, ours outcome) {
	t.Helper()
	if theirs.stdout != ours.stdout {
		t.Errorf("call %d: stdout of the reference %.200q, ours %.200q", call, theirs.stdout, ours.stdout)
	}
	if theirs.stderr != ours.stderr {
		t.Errorf("call %d: stderr of the reference %.200q, ours %.200q", call, theirs.stderr, ours.stderr)
	}
	// An executor that perl does not clean up ends too quickly to be hit.
	sure := strings.Contains(t.Name(), "_exit") || strings.Contains(t.Name(), "terminated") || strings.Contains(t.Name(), "killed")
	if theirs.status != ours.status && (sure || theirs.status != unreliable && ours.status != "unknown") {
		t.Errorf("call %d: status of the reference %s, ours %s", call, theirs.status, ours.status)
	}
}

// byReference makes two calls through prefork-interp, and ends its server.
func byReference(t *testing.T, c scenario, script string) []outcome {
	t.Helper()
	run := func(options []string, args ...string) outcome {
		cmd := exec.Command(client, slices.Concat(options, []string{"-U", "perl", script}, args)...)
		var stdout, stderr bytes.Buffer
		cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.env, strings.NewReader(c.stdin), &stdout, &stderr
		cmd.Dir = filepath.Dir(script)
		err := cmd.Run()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return outcome{stdout.String(), stderr.String(), statusOf(cmd.ProcessState).String()}
	}
	outcomes := []outcome{run(nil, c.args...), run(nil, c.args...)}
	run([]string{"--kill"})
	for i := range outcomes {
		outcomes[i].stdout = withoutProgram(outcomes[i].stdout, script, len(c.args))
	}
	return outcomes
}

// withoutProgram takes a defect of the reference out of what the scenario
// "arguments" prints: its executors find the interpreter and the script's name
// before their arguments. The setup of the same script does not.
func withoutProgram(stdout, script string, args int) string {
	prefix := string(rune('0'+args+2)) + "<perl><" + script + ">"
	if rest, ok := strings.CutPrefix(stdout, prefix); ok && args > 0 {
		return string(rune('0'+args)) + rest
	}
	return stdout
}

func statusOf(state *os.ProcessState) prefork.Status {
	wait := state.Sys().(syscall.WaitStatus)
	if wait.Signaled() {
		return prefork.Status{Known: true, Signal: int(wait.Signal())}
	}
	return prefork.Status{Known: true, Code: wait.ExitStatus()}
}

// byUs makes two calls of one warm process. What setup wrote counts to the first
// call, which it does with the reference.
func byUs(t *testing.T, c scenario, script string) []outcome {
	t.Helper()
	var mu sync.Mutex
	setup := ""
	p, err := prefork.NewSystem(nil).Launch(t.Context(), prefork.Command{Script: script, Env: c.env, Args: c.args}, prefork.Listener{Output: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		setup += line + "\n"
	}})
	if failed, ok := errors.AsType[*prefork.SetupError](err); ok {
		o := outcome{"", string(failed.Stderr), failed.Status.String()}
		return []outcome{o, o}
	}
	if err != nil {
		t.Fatal(err)
	}
	us := &ours{p}
	call := func() outcome {
		return us.begin(t, callSpec{env: c.env, args: c.args, stdin: strings.NewReader(c.stdin)}).finish()
	}
	outcomes := []outcome{call(), call()}
	us.stop(t)
	mu.Lock()
	defer mu.Unlock()
	outcomes[0].stderr = setup + outcomes[0].stderr
	return outcomes
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
