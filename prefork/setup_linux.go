package prefork

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errNoForkPoint says that the script ran to its end and never called the
// library. A server that is killed before it has forked its first monitor, in
// its first millisecond, cannot be told from that, so its script is cold until
// the pool ends: slower, and right.
var errNoForkPoint = reason("it ended before its fork point")

// Numbers that the handover's descriptors have in setup: after 0, 1 and 2, in
// the order in which ends.script lists them.
const (
	listenFD = 3 + iota
	callFD
	watchiFD
	watcheFD
)

// ends holds both sides of everything that crosses to a setup. Each side is
// closed once: the script's when it has been started, ours when setup failed.
type ends struct {
	ours, script []func()

	rendezvous *rendezvous
	call       *net.UnixConn // first call; not in ours, since it goes to who makes that call
	sentinel   *os.File      // read end: end-of-file when the server is gone
	leash      *os.File      // write end: its closing tells the server to quit
	stderr     *os.File      // read end

	// stdin has nothing to read, and knows whether somebody has tried. It is for an
	// automatic fork point, and nil for others.
	stdin *bait
	// stdout too, and whether somebody has written to it.
	stdout *os.File // read end
	// given is what descriptors 0, 1 and 2 of the script lead to.
	given [3]string

	listenFD, callFD, watchiFD, watcheFD int // the script's
	stdoutFD, stderrFD                   *os.File
}

// makeEnds makes them; on failure nothing stays open.
func makeEnds(mode Mode) (_ *ends, err error) {
	e := &ends{}
	defer func() {
		if err != nil {
			e.closeScript()
			e.abandon()
		}
	}()
	if e.listenFD, e.rendezvous, err = newRendezvous(); err != nil {
		return nil, err
	}
	e.ours = append(e.ours, e.rendezvous.close)
	e.closesLater(e.listenFD)

	if err = e.makeCall(); err != nil {
		return nil, err
	}
	r, w, err := rawPipe()
	if err != nil {
		return nil, err
	}
	e.sentinel, e.watchiFD = ourEnd(r, "sentinel"), w
	e.ours = append(e.ours, func() { _ = e.sentinel.Close() })
	e.closesLater(w)

	if r, w, err = rawPipe(); err != nil {
		return nil, err
	}
	e.leash, e.watcheFD = ourEnd(w, "leash"), r
	e.ours = append(e.ours, func() { _ = e.leash.Close() })
	e.closesLater(r)
	if err = unix.SetNonblock(r, true); err != nil { // the library looks, and does not wait
		return nil, err
	}

	if e.stderr, e.stderrFD, err = NewPipe(); err != nil {
		return nil, err
	}
	e.script = append(e.script, func() { _ = e.stderrFD.Close() })
	err = e.makeStandard(mode)
	return e, err
}

// makeStandard makes descriptors 0 and 1 of the script. The flag O_APPEND means
// nothing to a pipe; it tells a library which of two duplicates is stdout's.
func (e *ends) makeStandard(mode Mode) (err error) {
	if mode != Automatic {
		e.stdoutFD, err = reopenForAppending(e.stderrFD)
		if err == nil {
			e.script = append(e.script, func() { _ = e.stdoutFD.Close() })
		}
		return err
	}
	if e.stdin, err = newBait(); err != nil {
		return err
	}
	e.ours = append(e.ours, e.stdin.close)
	if e.stdout, e.stdoutFD, err = NewPipe(); err != nil {
		return err
	}
	e.script = append(e.script, func() { _ = e.stdoutFD.Close() })
	fd, err := rawFD(e.stdoutFD)
	if err != nil {
		return err
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_APPEND)
	return err
}

// reopenForAppending opens the write end of a pipe once more.
func reopenForAppending(pipe *os.File) (*os.File, error) {
	fd, err := rawFD(pipe)
	if err != nil {
		return nil, err
	}
	again, err := unix.Open(procFD(fd), unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open a pipe again: %w", err)
	}
	return os.NewFile(uintptr(again), "|1"), nil
}

// makeCall makes the socket of the first call, which is ctl in the native dialect.
func (e *ends) makeCall() (err error) {
	var theirs *os.File
	if e.call, theirs, err = callSocket(); err != nil {
		return err
	}
	e.script = append(e.script, func() { _ = theirs.Close() })
	e.callFD, err = rawFD(theirs)
	return err
}

func (e *ends) closesLater(fd int) {
	e.script = append(e.script, func() { _ = unix.Close(fd) })
}

func (e *ends) closeScript() { closeAll(&e.script) }

// closeSetup closes what only setup and v1 need.
func (e *ends) closeSetup() { closeAll(&e.ours) }

func (e *ends) closeOurs() {
	e.closeSetup()
	_ = e.stderr.Close()
	if e.stdout != nil {
		_ = e.stdout.Close()
	}
}

// abandon closes ours when no first call will be made.
func (e *ends) abandon() {
	if e.call != nil {
		_ = e.call.Close()
	}
	e.closeOurs()
}

func closeAll(list *[]func()) {
	for _, end := range *list {
		end()
	}
	*list = nil
}

// spawn starts the script with the script's ends, and closes those here.
func (e *ends) spawn(cmd Command, mode Mode) (*child, error) {
	defer e.closeScript()
	stdin, err := nullDevice()
	if err != nil {
		return nil, err
	}
	if e.stdin != nil {
		stdin = e.stdin.theirs
	}
	fds := make([]int, 0, watcheFD+1)
	for i, f := range []*os.File{stdin, e.stdoutFD, e.stderrFD} {
		fd, err := rawFD(f)
		if err != nil {
			return nil, err
		}
		fds = append(fds, fd)
		if e.given[i], err = os.Readlink(procFD(fd)); err != nil {
			return nil, err
		}
	}
	fds = append(fds, e.listenFD, e.callFD, e.watchiFD, e.watcheFD)

	h := handover{
		start: time.Now(), listen: listenFD, call: callFD, watchi: watchiFD, watche: watcheFD,
		mode: mode, preload: strings.Join(cmd.Preload, ","),
	}
	if cmd.Frozen {
		h.start = farFuture
	}
	env := append(slices.Clone(cmd.Env), HandoverVariable+"="+h.String())
	return cmd.start(cmd.Args, func(program string, argv []string) (*child, error) {
		return spawn(program, argv, cmd.dir(), env, fds)
	})
}

// setup runs a script up to initialisation complete and returns its server, in
// the dialect that the script's library has chosen. When ctx is done first, setup
// is killed. That a script cannot be warm is a [reason].
func setup(ctx context.Context, cmd Command, mode Mode, listener Listener, g *guard) (warmProcess, error) {
	e, err := makeEnds(mode)
	if err != nil {
		return nil, err
	}
	child, err := e.spawn(cmd, mode)
	if err != nil {
		e.abandon()
		return nil, err
	}
	g.cover(child)
	r := &rehearsal{
		ends: e, script: cmd.Script, mode: mode, listener: listener, guard: g,
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
			_ = r.call.CloseRead() // what it has said before is still there
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
	conn, err := r.rendezvous.dial(ctx)
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
	return newNative(r, hello), nil
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

// misunderstood kills a setup that says what cannot be understood.
func (r *rehearsal) misunderstood(err error) error {
	r.child.doom(syscall.SIGKILL)
	<-r.ended
	r.capture.release(r.listener.output)
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
