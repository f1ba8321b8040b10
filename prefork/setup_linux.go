package prefork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// errNoForkPoint says that the script ran to its end and never called the
// library. A server that is killed before it has forked its first monitor, in
// its first millisecond, cannot be told from that, so its script is cold until
// the pool ends: slower, and right.
var errNoForkPoint = reason("it ended before its fork point")

// setup runs a script up to initialisation complete and returns its server, in
// the dialect that the script's library has chosen. When ctx is done first, setup
// is killed. That a script cannot be warm is a [reason].
func setup(ctx context.Context, cmd Command, mode Mode, listener Listener, g *guard, b *bell) (warmProcess, error) {
	e, err := makeEnds(mode)
	if err != nil {
		return nil, err
	}
	cmd.bell = b.hold()
	defer b.release()
	child, err := e.spawn(cmd, mode)
	if err != nil {
		e.abandon()
		return nil, err
	}
	g.cover(child)
	r := &rehearsal{
		ends: e, script: cmd.Script, mode: mode, listener: listener, guard: g, bell: b,
		child: child, capture: newCapture(e.stderr),
		ended: make(chan Status, 1), greetings: make(chan greeting, 1),
	}
	if e.stdout != nil {
		r.tap = newTap(e.stdout)
	}
	go func() { r.ended <- child.wait() }()                             // until setup is reaped
	go func() { r.greetings <- awaitGreeting(ctx, e.call, listener) }() // until the other end is closed, or ctx is done
	p, err := r.run(ctx)
	if err != nil {
		e.abandon()
		return nil, err
	}
	return p, nil
}

// A warmProcess is a server in either dialect.
type warmProcess interface {
	Process

	// info is what Info returns a copy of. It may be changed before anybody else
	// has the process.
	info() *Info
}

// A rehearsal is a setup under way.
type rehearsal struct {
	*ends
	script   string
	mode     Mode
	listener Listener
	guard    *guard
	bell     *bell
	child    *child
	capture  *capture
	tap      *tap // nil unless the fork point is automatic

	ended     chan Status   // receives when setup has been reaped
	greetings chan greeting // receives when the first greeting has come, or cannot
}

// run waits for what comes first: the end of setup, a greeting, or ctx.
func (r *rehearsal) run(ctx context.Context) (warmProcess, error) {
	select {
	case status := <-r.ended:
		if failing(status) {
			r.call.shutdown(unix.SHUT_RD) // what it has said before is still there
		}
		return r.parted(ctx, status, <-r.greetings)
	case <-ctx.Done():
		return nil, r.giveUp(<-r.greetings)
	case hello := <-r.greetings:
		if hello.ready != nil {
			return r.native(hello.ready)
		}
		if hello.err != nil && !errors.Is(hello.err, ErrGone) {
			return nil, r.misunderstood(hello.err)
		}
		// A v1 setup ends when it has a server; a native one that says that its
		// script must be cold ends too.
		select {
		case status := <-r.ended:
			return r.parted(ctx, status, hello)
		case <-ctx.Done():
			return nil, r.giveUp(hello)
		}
	}
}

// failing reports whether setup has failed that ended so.
func failing(status Status) bool { return status.Code != 0 || status.Crashed() }

// parted says what it means that setup has ended.
func (r *rehearsal) parted(ctx context.Context, status Status, hello greeting) (warmProcess, error) {
	switch {
	case failing(status):
		return nil, r.failed(hello, SetupError{Script: r.script, Status: status})
	case hello.err != nil && ctx.Err() != nil:
		return nil, r.failed(hello, SetupError{Script: r.script, TimedOut: true})
	}
	r.capture.release(r.listener.output)
	switch {
	case hello.cold != "":
		return nil, hello.cold
	case hello.ready != nil: // and killed at once
		return nil, ErrGone
	case errors.Is(hello.err, ErrGone):
		if hello.monitor = r.secondMonitor(ctx); hello.monitor == nil {
			return nil, errNoForkPoint
		}
	case hello.err != nil:
		return nil, hello.err
	}
	server, err := newServer(r.ends, hello.monitor, r.guard)
	if err != nil {
		return nil, err
	}
	return server, nil
}

// secondMonitor has the v1 server, if there is one, fork a monitor instead of the
// first one, which was killed.
func (r *rehearsal) secondMonitor(ctx context.Context) *greeted {
	if !r.sentinelHeld() {
		return nil
	}
	conn, err := r.rendezvous.dial()
	if err != nil {
		return nil
	}
	monitor, err := greet(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil
	}
	return monitor
}

// native returns the server that setup has become.
func (r *rehearsal) native(hello *ready) (warmProcess, error) {
	if used := r.usesRequest(); used != "" {
		r.child.doom(syscall.SIGKILL)
		<-r.ended
		r.capture.release(r.listener.output)
		return nil, used
	}
	r.capture.release(r.listener.output)
	v, err := newVigil()
	if err != nil {
		r.child.doom(syscall.SIGKILL)
		<-r.ended
		return nil, err
	}
	return newNative(r, hello, v), nil
}

// usesRequest returns how a setup has used what belongs to a request; empty if it
// has not, or if the script knows where its setup ends.
func (r *rehearsal) usesRequest() reason {
	if r.mode != Automatic {
		return ""
	}
	for fd, given := range r.given {
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", r.child.pid, fd))
		if link != given && !errors.Is(err, os.ErrPermission) {
			return reason(fmt.Sprintf("setup has put something else in the place of descriptor %d", fd))
		}
	}
	switch {
	case r.stdin.taken():
		return "setup reads its standard input, which belongs to a request"
	case !r.tap.release(r.listener.output):
		return "setup writes to its standard output, which belongs to a request"
	}
	return ""
}

// misunderstood kills a setup that says what cannot be understood, or that nobody could
// listen to for want of a descriptor.
func (r *rehearsal) misunderstood(err error) error {
	r.child.doom(syscall.SIGKILL)
	<-r.ended
	r.capture.release(r.listener.output)
	if IsShortage(err) {
		return err
	}
	return reason(err.Error())
}

// giveUp kills a setup that takes too long, or that nobody wants any more.
func (r *rehearsal) giveUp(hello greeting) error {
	r.child.doom(syscall.SIGKILL)
	<-r.ended
	return r.failed(hello, SetupError{Script: r.script, TimedOut: true})
}

// failed completes the error of a setup, which has been reaped. A first monitor
// may have come into being all the same.
func (r *rehearsal) failed(hello greeting, err SetupError) error {
	if hello.monitor != nil {
		hello.monitor.close()
	}
	err.Stderr = r.capture.fail()
	return &err
}
