package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// A fake is a launcher of processes that are nothing but channels.
type fake struct {
	mu        sync.Mutex
	launches  []*fakeProcess       // in order
	fail      error                // what the next launches return
	hold      chan struct{}        // if not nil, launches wait until it is closed
	holdPark  chan struct{}        // the same, for executors
	running   int                  // executors
	most      int                  // as many ran at once
	parked    int                  // executors that wait for a request
	alive     int                  // processes: setups, servers and executors
	mostAlive int                  // as many there were at once
	loads     []string             // what each setup says that it has loaded
	misses    []string             // where each setup says that it has looked in vain
	onLaunch  func(n int) []string // the same, for one that differs
	onPark    func()               // is called before an executor is made
}

func (f *fake) Launch(ctx context.Context, cmd prefork.Command, listener prefork.Listener) (prefork.Process, error) {
	f.mu.Lock()
	p := &fakeProcess{fake: f, pid: 1000 + len(f.launches), script: cmd.Script, exited: make(chan struct{})}
	f.launches = append(f.launches, p)
	f.born()
	hold, fail := f.hold, f.fail
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			f.set(func() { f.alive-- })
			return nil, &prefork.SetupError{Script: cmd.Script, TimedOut: true}
		}
	}
	if f.onLaunch != nil {
		f.loads = f.onLaunch(p.pid)
	}
	if f.loads != nil {
		listener.Loaded(f.loads)
	}
	if f.misses != nil {
		listener.Missed(f.misses)
	}
	if fail != nil {
		f.set(func() { f.alive-- })
		return nil, fail
	}
	p.listener = listener
	return p, nil
}

// born counts a process. It is called with the mutex held.
func (f *fake) born() {
	f.alive++
	f.mostAlive = max(f.mostAlive, f.alive)
}

// started returns how many launches there were.
func (f *fake) started() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.launches)
}

// count returns what n is now.
func (f *fake) count(n *int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *n
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

type fakeProcess struct {
	fake   *fake
	pid    int
	script string
	exited chan struct{}

	listener prefork.Listener
	once     sync.Once
	deaf     bool // Stop has no effect

	vanishing bool   // dies when it is called
	slain     int    // executors that were parked before are dead
	memory    int64  // of an executor
	barren    string // why it makes no executors
}

func (p *fakeProcess) Info() prefork.Info {
	return prefork.Info{Mode: prefork.Explicit, PID: p.pid, Parks: true}
}
func (p *fakeProcess) Exited() <-chan struct{} { return p.exited }
func (p *fakeProcess) Kill() {
	p.once.Do(func() {
		p.fake.set(func() { p.fake.alive-- })
		close(p.exited)
	})
}

func (p *fakeProcess) Stop() {
	if !p.deaf {
		p.Kill()
	}
}

func (p *fakeProcess) Park(ctx context.Context, requests int) (prefork.Executor, error) {
	select {
	case <-p.exited:
		return nil, fmt.Errorf("fake: %w", prefork.ErrGone)
	default:
	}
	if p.fake.onPark != nil {
		p.fake.onPark()
	}
	var hold chan struct{}
	p.fake.set(func() { hold = p.fake.holdPark })
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	p.fake.mu.Lock()
	defer p.fake.mu.Unlock()
	if p.barren != "" {
		return nil, errors.New(p.barren)
	}
	p.fake.parked++
	p.fake.born()
	return &fakeExecutor{process: p, left: requests, batch: p.slain}, nil
}

type fakeExecutor struct {
	process *fakeProcess
	left    int // requests
	batch   int
	tell    func()
}

func (e *fakeExecutor) WhenGone(f func()) { e.tell = f }

func (e *fakeExecutor) gone() {
	e.process.fake.set(func() { e.process.fake.alive-- })
	e.tell()
}

func (e *fakeExecutor) Memory() int64 {
	e.process.fake.mu.Lock()
	defer e.process.fake.mu.Unlock()
	return e.process.memory
}

func (e *fakeExecutor) Dismiss() {
	e.process.fake.set(func() { e.process.fake.parked-- })
	e.gone()
}

func (e *fakeExecutor) Start(_ context.Context, _ prefork.Request, ended prefork.Ended) (prefork.Call, error) {
	p := e.process
	dead := false
	p.fake.set(func() { p.fake.parked--; dead = e.batch < p.slain })
	if dead {
		e.gone()
		return nil, prefork.ErrGone
	}
	if p.vanishing {
		e.gone()
		defer p.Kill() // after the pool has heard of it from the request
		return nil, prefork.ErrGone
	}
	select {
	case <-p.exited:
		e.gone()
		return nil, fmt.Errorf("fake: %w", prefork.ErrGone)
	default:
	}
	p.fake.set(func() {
		p.fake.running++
		p.fake.most = max(p.fake.most, p.fake.running)
	})
	e.left--
	c := &fakeCall{process: p, executor: e, end: make(chan prefork.Status, 1)}
	go func() { ended(c.wait()) }() // until it has been told to end
	return c, nil
}

type fakeCall struct {
	prefork.Call // what it does not have is not used
	process      *fakeProcess
	executor     *fakeExecutor
	end          chan prefork.Status
	deaf         bool // Interrupt has no effect
}

func (c *fakeCall) PID() int { return c.process.pid + 1 }
func (c *fakeCall) Interrupt(syscall.Signal) {
	if !c.deaf {
		c.finish(prefork.Status{Known: true, Signal: 15})
	}
}
func (c *fakeCall) Kill() { c.finish(prefork.Status{Known: true, Signal: 9}) }
func (c *fakeCall) finish(s prefork.Status) {
	select {
	case c.end <- s:
	default:
	}
}

func (c *fakeCall) wait() (prefork.Status, prefork.Executor) {
	s := <-c.end
	c.process.fake.set(func() { c.process.fake.running-- })
	if c.executor.left == 0 || s.Signal != 0 {
		c.executor.gone()
		return s, nil
	}
	c.process.fake.set(func() { c.process.fake.parked++ })
	return s, c.executor
}

// exit ends the executor of a lease with a code.
func exit(l *Lease, code int) {
	l.call.(*fakeCall).finish(prefork.Status{Known: true, Code: code})
}

// newFakeRegistry has no file system events: a bubble of synctest cannot wait
// for the kernel, and freshness must not depend on them.
func newFakeRegistry(f *fake) *Registry {
	r := NewRegistry(f)
	r.watcher.newInotify = func() (*inotify, error) { return nil, errors.New("no events here") }
	r.jitter = func() float64 { return 0.5 }
	return r
}

func specFor(script string, change ...func(*Spec)) Spec {
	s := Spec{Command: prefork.Command{Script: script}, Limits: Limits{Reload: Off}, Template: script}
	for _, f := range change {
		f(&s)
	}
	return s
}
