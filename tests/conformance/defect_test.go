package conformance

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// What the reference does wrong. Each test makes the same scenario with it and with us:
// it must fail, so that we know that the scenario is one, and we must not.

// A defect is a scenario: one script, run by both.
type defect struct {
	t      *testing.T
	folder string
	script string
	env    []string

	registry   *pool.Registry
	generation *pool.Generation
	begun      []*running // by the reference
}

// newDefect writes a script; options are the library's.
func newDefect(t *testing.T, setup, options, body string) *defect {
	t.Helper()
	t.Parallel()
	if _, err := os.Stat(client); err != nil {
		t.Skipf("the reference is not installed: %v", err)
	}
	d := &defect{t: t, folder: t.TempDir()}
	leak.CheckProcesses(t, d.folder)
	d.script = filepath.Join(d.folder, "script")
	d.env = []string{"PATH=/usr/bin:/bin", "XDG_RUNTIME_DIR=" + d.folder}
	d.write(setup, options, body)
	d.registry = pool.NewRegistry(prefork.NewSystem(libraries))
	d.generation = &pool.Generation{Covers: func(s pool.Spec) (pool.Spec, bool) { return s, true }}
	d.registry.Enter(d.generation)
	t.Cleanup(d.close)
	return d
}

// write replaces the script by one that is older than any server.
func (d *defect) write(setup, options, body string) {
	d.t.Helper()
	text := "#!/usr/bin/perl\nuse Proc::Prefork::Interp; " + setup +
		"\nprefork_initialisation_complete(log_facility => '', " + options + ");\n$| = 1; " + body + "\n"
	check(d.t, os.WriteFile(d.script+".new", []byte(text), 0o755))
	long := time.Now().Add(-time.Hour)
	check(d.t, os.Chtimes(d.script+".new", long, long))
	check(d.t, os.Rename(d.script+".new", d.script))
}

// close ends what is left of both: the reference's servers, and what they cannot end.
func (d *defect) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	d.registry.Close(ctx)
	d.kill()
	for _, r := range d.begun {
		r.wait()
	}
	d.kill() // a client whose server was killed may have started another
}

// kill kills what there is, until nothing is left.
func (d *defect) kill() {
	for left := leak.Processes(d.folder); len(left) > 0; left = leak.Processes(d.folder) {
		for _, process := range left {
			number, _, _ := strings.Cut(process, ":")
			if pid, err := strconv.Atoi(number); err == nil {
				if p, err := os.FindProcess(pid); err == nil {
					_ = p.Kill()
				}
			}
		}
	}
}

// theirs begins a call by the reference.
func (d *defect) theirs(options ...string) *running {
	c := &command{argv: slices.Concat([]string{client}, options, []string{"-U", "/usr/bin/perl", d.script}), dir: d.folder}
	r := c.begin(d.t, callSpec{env: d.env})
	r.wait = sync.OnceValue(r.wait)
	d.begun = append(d.begun, r)
	return r
}

// lease asks for a lease of our pool of the script.
func (d *defect) lease(limits pool.Limits, identity ...string) (*pool.Lease, error) {
	return d.registry.Acquire(d.t.Context(), d.generation, pool.Spec{
		Command: prefork.Command{Script: d.script, Env: d.env}, Limits: limits, Identity: identity,
	})
}

// ours begins a call by us.
func (d *defect) ours(limits pool.Limits, identity ...string) (*pool.Lease, *running) {
	d.t.Helper()
	lease, err := d.lease(limits, identity...)
	check(d.t, err)
	check(d.t, lease.Call(d.t.Context(), prefork.Request{Env: d.env}))
	r := &running{pid: lease.PID, interrupt: lease.Interrupt, out: collect(lease.Stdout()), errs: collect(lease.Stderr().File())}
	r.wait = func() string { lease.Attend(); <-lease.Finished(); return lease.Status().String() }
	r.eof = func() { r.out.eof(); r.errs.eof() }
	return lease, r
}

// output returns what a whole call by us prints.
func (d *defect) output(limits pool.Limits, identity ...string) string {
	d.t.Helper()
	_, r := d.ours(limits, identity...)
	return r.finish().stdout
}

// A while is long enough for anything that would happen at once.
const aWhile = time.Second

// goesOn reports whether a call by the reference has not ended after a while.
func goesOn(r *running) bool {
	ended := make(chan struct{})
	go func() { // until the call has ended, which the test sees to
		r.wait()
		close(ended)
	}()
	select {
	case <-ended:
		return false
	case <-time.After(aWhile):
		return true
	}
}

func alive(pid int) bool { return leak.StatOf(strconv.Itoa(pid)).Running() }

// serverOf returns the reference's server of the script.
func (d *defect) serverOf(t *testing.T) int {
	t.Helper()
	for _, process := range leak.Processes(d.script) {
		number, line, _ := strings.Cut(process, ": ")
		if strings.HasSuffix(line, "[server]") {
			pid, err := strconv.Atoi(number)
			check(t, err)
			return pid
		}
	}
	t.Fatalf("there is no server among %q", leak.Processes(d.script))
	return 0
}

// awaitGone waits for the end of a process.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d does not end", pid)
		}
	}
}
