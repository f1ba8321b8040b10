package prefork

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A monitor waits for a request, on whose behalf it will fork an executor.
type monitor struct {
	*greeted
	server   *server
	whenGone func() // is told once that it has ended; may be nil
}

// WhenGone implements [Executor].
func (m *monitor) WhenGone(f func()) { m.whenGone = f }

// Dismiss implements [Executor]: the monitor reads end-of-file.
func (m *monitor) Dismiss() {
	_ = m.conn.Close()
	go func() { // until it has ended
		m.peer.wait()
		m.peer.close()
		m.tellGone()
	}()
}

func (m *monitor) tellGone() {
	if m.whenGone != nil {
		m.whenGone()
	}
}

// Memory implements [Executor].
func (m *monitor) Memory() int64 { return 0 }

// Start implements [Executor]. When it fails with ErrGone the monitor was dead before
// it had the whole request, so no executor ran.
func (m *monitor) Start(ctx context.Context, req Request, ended Ended) (Call, error) {
	call, err := m.start(ctx, req)
	if err == nil {
		go func() { // until the monitor has told
			status := call.wait()
			m.tellGone()
			ended(status, nil)
		}()
		return call, nil
	}
	m.Dismiss()
	if ctx.Err() == nil && isHangUp(err) {
		return nil, ErrGone
	}
	return nil, fmt.Errorf("cannot send the request to the monitor: %w", err)
}

// start has the monitor begin. The call may outlive the server, and the guard
// watches their session until both are gone.
func (m *monitor) start(ctx context.Context, req Request) (*call, error) {
	message, err := appendMessage(nil, req.Env, req.Args)
	if err != nil {
		return nil, err
	}
	s, err := newStreams()
	if err != nil {
		return nil, err
	}
	err = m.send(ctx, req.Stdin, s, message)
	s.handedOver()
	if err != nil {
		s.abandon()
		return nil, err
	}
	m.server.guard.hold()
	m.server.guard.watch(m.server.peer.pid)
	return &call{monitor: m, streams: s}, nil
}

func (m *monitor) send(ctx context.Context, stdin *os.File, s *streams, message []byte) error {
	defer abortWhenDone(ctx, m.conn)()
	fd, err := orNull(stdin)
	if err != nil {
		return err
	}
	if _, err = m.conn.Write([]byte{0}); err != nil {
		return err
	}
	for _, fd := range []int{fd, s.theirStdout, s.theirStderr} {
		if err = m.conn.send([]byte{0}, fd); err != nil {
			return err
		}
	}
	_, err = m.conn.Write(message)
	return err
}

// A call is one execution under protocol v1: a monitor, and the executor that is
// its child.
type call struct {
	*monitor
	*streams
	kin         kin
	interrupted atomic.Bool

	mu       sync.Mutex // guards what follows
	executor *peer      // once known
	ended    bool
}

// PID implements [Call].
func (c *call) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.executor == nil && !c.ended {
		if executor, err := newPeer(onlyChild(c.peer.pid), unix.PIDFD_NONBLOCK); err == nil {
			c.executor = executor
			go c.attend(executor) // until it has ended, or the call has
		}
	}
	if c.executor != nil {
		return c.executor.pid
	}
	return c.peer.pid
}

// attend tells the monitor that the executor has ended. It knows by itself from
// a pipe, unless a process that the executor has forked holds that pipe too.
func (c *call) attend(executor *peer) {
	executor.wait()
	c.conn.shutdown(unix.SHUT_WR)
}

// Interrupt implements [Call]. The monitor sees end-of-file, sends SIGINT to its
// process group, and reports the status on the half that stays open.
func (c *call) Interrupt(syscall.Signal) {
	c.interrupted.Store(true)
	c.noteKin()
	c.conn.shutdown(unix.SHUT_WR)
}

// noteKin takes hold of what the executor has started. The monitor, which waits for the
// executor, is alive if that is.
func (c *call) noteKin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended && c.peer.hasMemory() {
		c.kin.note(c.peer.pid)
		c.kin.noteMembers(c.peer.pid)
	}
}

// Kill implements [Call]. The monitor is in the group that it leads, so the
// status is lost; Wait sees its end. An executor may have left that group.
func (c *call) Kill() {
	c.interrupted.Store(true)
	c.PID()
	c.signalExecutor(syscall.SIGSTOP) // or it would start another meanwhile
	c.noteKin()
	c.signalExecutor(syscall.SIGKILL)
	c.peer.signalGroup(syscall.SIGKILL)
}

// signalExecutor sends a signal to the executor, if that is known.
func (c *call) signalExecutor(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.executor != nil {
		_ = c.executor.signal(sig)
	}
}

// Answered implements [Call].
func (c *call) Answered() (answered, leaves bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.executor != nil && !c.ended && c.executor.hasMemory(), false
}

// Attend implements [Call].
func (c *call) Attend() {}

// wait returns the status when the executor has been reaped.
//
// The monitor takes the closing of a pipe for the executor's end and then sends
// SIGINT. Perl closes its files before it exits, so an executor that ends by
// itself is hit on its way out, and "killed by SIGINT" is what most calls report.
// Whatever it was about to return cannot be known; that it ended by itself can.
func (c *call) wait() Status {
	go func() { // until the monitor has ended, or close
		c.peer.wait()
		// Something that setup left running may hold the other end as well; what the
		// monitor has written stays readable.
		c.conn.shutdown(unix.SHUT_RD)
	}()
	status := readStatus(c.conn)
	if status.Lost || c.interrupted.Load() {
		// Nobody waits for what is left of the group any more.
		c.peer.signalGroup(syscall.SIGKILL)
		c.kin.end(0)
	}
	if status.Signal == int(syscall.SIGINT) && !c.interrupted.Load() {
		status = Status{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.executor != nil {
		c.executor.close()
	}
	c.close()
	c.server.guard.forget(c.server.peer.pid)
	c.server.guard.release()
	return status
}

// isHangUp reports whether err means that the other side is gone.
func isHangUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
