package prefork

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
)

// cold is a script that is executed anew for each call. It holds no process
// while no call runs.
type cold struct {
	cmd   Command
	about Info
	guard *guard

	stop   sync.Once
	exited chan struct{}
}

func newCold(cmd Command, about Info, g *guard) *cold {
	g.hold()
	about.Mode = Cold
	return &cold{cmd: cmd, about: about, guard: g, exited: make(chan struct{})}
}

// Info implements [Process].
func (c *cold) Info() Info { return c.about }

// Park implements [Process]. There is nothing that could be done ahead.
func (c *cold) Park(context.Context, int) (Executor, error) {
	select {
	case <-c.exited:
		return nil, ErrGone
	default:
		return &coldExecutor{cold: c}, nil
	}
}

// A coldExecutor is the place of a process that is not there before it has a request.
type coldExecutor struct {
	*cold
	whenGone func() // may be nil
}

// WhenGone implements [Executor].
func (c *coldExecutor) WhenGone(f func()) { c.whenGone = f }

// Dismiss implements [Executor].
func (c *coldExecutor) Dismiss() {
	if c.whenGone != nil {
		c.whenGone()
	}
}

// Memory implements [Executor].
func (c *coldExecutor) Memory() int64 { return 0 }

// Start implements [Executor]: it executes the script.
func (c *coldExecutor) Start(_ context.Context, req Request, ended Ended) (Call, error) {
	call, err := c.start(req)
	if err != nil {
		c.Dismiss()
		return nil, err
	}
	go func() { // until it has been reaped
		status := call.wait()
		c.Dismiss()
		ended(status, nil)
	}()
	return call, nil
}

func (c *cold) start(req Request) (*coldCall, error) {
	s, err := newStreams()
	if err != nil {
		return nil, err
	}
	stdin, err := orNull(req.Stdin)
	if err != nil {
		s.abandon()
		return nil, err
	}
	child, err := c.cmd.start(req.Args, func(program string, argv []string) (*child, error) {
		return spawn(program, argv, c.cmd.dir(), req.Env, []int{stdin, s.theirStdout, s.theirStderr})
	})
	s.handedOver()
	if err != nil {
		s.abandon()
		return nil, err
	}
	c.guard.cover(child)
	return &coldCall{streams: s, child: child, kin: kin{session: true}}, nil
}

// Stop implements [Process]. There is nothing to end but our readiness.
func (c *cold) Stop() {
	c.stop.Do(func() {
		close(c.exited)
		c.guard.release()
	})
}

// Kill implements [Process].
func (c *cold) Kill() { c.Stop() }

// Exited implements [Process].
func (c *cold) Exited() <-chan struct{} { return c.exited }

// A coldCall is one exec of a script.
type coldCall struct {
	*streams
	child       *child
	kin         kin
	interrupted atomic.Bool
}

// wait returns when the script has been reaped, and after an interruption all that it has
// started is gone.
func (c *coldCall) wait() Status {
	c.child.awaitEnd()
	if c.interrupted.Load() {
		c.kin.end(c.child.pid)
	}
	return c.child.reap()
}

// PID implements [Call].
func (c *coldCall) PID() int { return c.child.pid }

// Interrupt implements [Call].
func (c *coldCall) Interrupt(signal syscall.Signal) {
	c.interrupted.Store(true)
	c.child.unreaped(func() { c.kin.note(c.child.pid) })
	c.child.doom(signal)
}

// Kill implements [Call]. The script is stopped first, or it would start another while it is
// looked at.
func (c *coldCall) Kill() {
	c.child.doom(syscall.SIGSTOP)
	c.Interrupt(syscall.SIGKILL)
}

// Answered implements [Call].
func (c *coldCall) Answered() (answered, leaves bool) { return c.child.hasMemory(), false }

// Attend implements [Call].
func (c *coldCall) Attend() {}
