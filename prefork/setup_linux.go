package prefork

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errNoForkPoint says that the script ran to its end and never called the
// library. A server that is killed before it has forked its first monitor, in
// its first millisecond, cannot be told from that, so its script is cold until
// the pool ends: slower, and right.
var errNoForkPoint = errors.New("the script ended without calling " + forkPointName)

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

	listenFD, callFD, watchiFD, watcheFD int // the script's
	stderrFD                             *os.File
}

// makeEnds makes them; on failure nothing stays open.
func makeEnds() (_ *ends, err error) {
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
	e.ours = append(e.ours, func() { _ = e.stderr.Close() })
	e.script = append(e.script, func() { _ = e.stderrFD.Close() })
	return e, nil
}

// makeCall makes the socket of the first call.
func (e *ends) makeCall() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot make a socket pair: %w", err)
	}
	e.callFD = pair[1]
	e.closesLater(pair[1])
	if err = passCredentials(pair[0]); err != nil {
		_ = unix.Close(pair[0])
		return err
	}
	ours := ourEnd(pair[0], "call")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return err
	}
	e.call = conn.(*net.UnixConn)
	return nil
}

func (e *ends) closesLater(fd int) {
	e.script = append(e.script, func() { _ = unix.Close(fd) })
}

func (e *ends) closeScript() { closeAll(&e.script) }
func (e *ends) closeOurs()   { closeAll(&e.ours) }

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
func (e *ends) spawn(cmd Command) (*child, error) {
	defer e.closeScript()
	null, err := nullDevice()
	if err != nil {
		return nil, err
	}
	nullFD, err := rawFD(null)
	if err != nil {
		return nil, err
	}
	stderrFD, err := rawFD(e.stderrFD)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if cmd.Frozen {
		start = farFuture
	}
	env := append([]string{}, cmd.Env...)
	env = append(env, HandoverVariable+"="+handover{
		start: start, listen: listenFD, call: callFD, watchi: watchiFD, watche: watcheFD,
	}.String())
	return cmd.start(cmd.Args, func(program string, argv []string) (*child, error) {
		return spawn(program, argv, cmd.dir(), env,
			[]int{nullFD, stderrFD, stderrFD, e.listenFD, e.callFD, e.watchiFD, e.watcheFD})
	})
}

// setup runs a script up to initialisation complete, under protocol v1, and
// returns its server. When ctx is done first, setup is killed.
func setup(ctx context.Context, cmd Command, output func(string), g *guard) (*server, error) {
	e, err := makeEnds()
	if err != nil {
		return nil, err
	}
	first, err := e.run(ctx, cmd, output, g)
	if err != nil {
		e.abandon()
		return nil, err
	}
	return newServer(e, first, g)
}

// run starts setup and waits for its end and for the first monitor's greeting,
// which may come in either order. It takes ownership of e.stderr.
func (e *ends) run(ctx context.Context, cmd Command, output func(string), g *guard) (*greeted, error) {
	child, err := e.spawn(cmd)
	if err != nil {
		return nil, err
	}
	g.cover(child)
	capture := newCapture(e.stderr)

	ended := make(chan Status, 1)
	go func() { ended <- child.wait() }() // until setup is reaped
	greetings := make(chan greeting, 1)
	go func() { greetings <- awaitGreeting(ctx, e.call) }() // until the other end is closed, or ctx is done

	select {
	case status := <-ended:
		if status.Code != 0 || status.Crashed() {
			_ = e.call.Close()
			return nil, failed(<-greetings, capture, SetupError{Script: cmd.Script, Status: status})
		}
	case <-ctx.Done():
		child.doom(syscall.SIGKILL) // it serves nobody
		<-ended
		return nil, failed(<-greetings, capture, SetupError{Script: cmd.Script, TimedOut: true})
	}

	first := <-greetings
	if first.err != nil && ctx.Err() != nil {
		return nil, failed(first, capture, SetupError{Script: cmd.Script, TimedOut: true})
	}
	capture.release(output)
	if errors.Is(first.err, ErrGone) {
		return nil, errNoForkPoint
	}
	return first.monitor, first.err
}

// A greeting is what came of waiting for one.
type greeting struct {
	monitor *greeted
	err     error
}

func awaitGreeting(ctx context.Context, conn *net.UnixConn) greeting {
	monitor, err := greet(ctx, conn)
	return greeting{monitor, err}
}

// failed completes the error of a setup, which has been reaped. A first monitor
// may have come into being all the same.
func failed(first greeting, c *capture, err SetupError) error {
	if first.monitor != nil {
		first.monitor.close()
	}
	err.Stderr = c.fail()
	return &err
}
