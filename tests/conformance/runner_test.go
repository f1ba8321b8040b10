package conformance

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/lib"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// libraries is where the script libraries are unpacked, once for all tests.
var libraries = sync.OnceValues(func() (string, error) {
	return lib.Unpack(filepath.Join(os.TempDir(), "prefork-cgi-conformance"))
})

// A call is one execution of a script: what it gets.
type callSpec struct {
	env, args []string
	stdin     io.Reader // nil: empty
}

// A running is a call under way. Its output is read in the background.
type running struct {
	pid       func() int // of the script's process
	interrupt func()     // the client leaves
	out       *output
	errs      *output
	wait      func() string // status; the output may go on
	eof       func()        // waits for the end of both outputs
}

// finish waits for everything.
func (r *running) finish() outcome {
	status := r.wait()
	r.eof()
	return outcome{r.out.String(), r.errs.String(), status}
}

// A runner runs one script, again and again.
type runner interface {
	begin(tb testing.TB, c callSpec) *running
	stop(tb testing.TB)
}

// An output is what has been read from a pipe so far.
type output struct {
	mu   sync.Mutex
	more *sync.Cond
	text bytes.Buffer
	done bool
}

func collect(r io.ReadCloser) *output {
	o := &output{}
	o.more = sync.NewCond(&o.mu)
	go func() { // until end-of-file
		defer r.Close()
		b := make([]byte, 64<<10)
		for {
			n, err := r.Read(b)
			o.mu.Lock()
			o.text.Write(b[:n])
			o.done = err != nil
			o.more.Broadcast()
			o.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return o
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await returns the output when it contains text, or is at its end.
func (o *output) await(text string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.done && !strings.Contains(o.text.String(), text) {
		o.more.Wait()
	}
	return o.text.String()
}

func (o *output) eof() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.done {
		o.more.Wait()
	}
}

// ours runs a script by our launcher.
type ours struct{ process prefork.Process }

func launch(tb testing.TB, cmd prefork.Command, want prefork.Mode) *ours {
	tb.Helper()
	p, err := prefork.NewSystem(libraries).Launch(tb.Context(), cmd, prefork.Listener{
		Output: func(line string) { tb.Log("setup:", line) },
		Noted:  func(note string) { tb.Log("note:", note) },
	})
	check(tb, err)
	if info := p.Info(); info.Mode != want {
		p.Stop()
		tb.Fatalf("mode is %s, not %s: %s; %s", info.Mode, want, info.Why, info.Note)
	}
	return &ours{p}
}

func (o *ours) stop(testing.TB) {
	o.process.Stop()
	<-o.process.Exited()
}

func (o *ours) begin(tb testing.TB, c callSpec) *running {
	tb.Helper()
	req := prefork.Request{Env: c.env, Args: c.args}
	var feed func()
	if c.stdin != nil {
		stdin, theirIn, err := prefork.NewInputPipe()
		check(tb, err)
		defer theirIn.Close()
		req.Stdin = theirIn
		feed = func() {
			io.Copy(stdin, c.stdin)
			stdin.Close()
		}
	}
	executor, err := o.process.Park(tb.Context(), 1)
	check(tb, err)
	ended := make(chan prefork.Status, 1)
	call, err := executor.Start(tb.Context(), req, func(status prefork.Status, _ prefork.Executor) { ended <- status })
	check(tb, err)
	if feed != nil {
		go feed() // until the script has read or closed it
	}
	r := &running{pid: call.PID, interrupt: func() { call.Interrupt(syscall.SIGTERM) }, out: collect(call.Stdout()), errs: collect(call.Stderr().File())}
	r.wait = func() string { call.Attend(); return (<-ended).String() }
	r.eof = func() { r.out.eof(); r.errs.eof() }
	return r
}

// command runs a script as a program of its own, for each call: standalone, or by
// the reference.
type command struct {
	argv []string // what comes before the arguments
	dir  string
	end  []string // command that ends what is left; empty: nothing is
	env  []string // of that
}

func (c *command) stop(tb testing.TB) {
	tb.Helper()
	if c.end != nil {
		cmd := exec.Command(c.end[0], c.end[1:]...)
		cmd.Env, cmd.Dir = c.env, c.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			tb.Errorf("cannot end the server: %v: %s", err, out)
		}
	}
}

func (c *command) begin(tb testing.TB, call callSpec) *running {
	tb.Helper()
	cmd := exec.Command(c.argv[0], slices.Concat(c.argv[1:], call.args)...)
	cmd.Dir, cmd.Env = c.dir, call.env
	stdout, theirOut, err := os.Pipe()
	check(tb, err)
	stderr, theirErr, err := os.Pipe()
	check(tb, err)
	cmd.Stdout, cmd.Stderr = theirOut, theirErr
	theirIn, stdin, err := os.Pipe()
	check(tb, err)
	cmd.Stdin = theirIn
	check(tb, cmd.Start())
	for _, f := range []*os.File{theirIn, theirOut, theirErr} {
		f.Close()
	}
	go func() { // until the script has read or closed it
		if call.stdin != nil {
			io.Copy(stdin, call.stdin)
		}
		stdin.Close()
	}()
	r := &running{out: collect(stdout), errs: collect(stderr)}
	r.pid = func() int { return cmd.Process.Pid }
	r.interrupt = func() { cmd.Process.Kill() }
	r.wait = func() string {
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			tb.Error(err)
		}
		return statusOf(cmd.ProcessState).String()
	}
	r.eof = func() { r.out.eof(); r.errs.eof() }
	return r
}
