package prefork

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
)

// A nativeExecutor is a process that a native server has forked. It is the server's
// child: until the server is asked to reap it, its number is its own.
//
//	parked ── Start ──▶ runs ── Wait ──▶ gone
//	   ▲                          │
//	   └── more requests ─────────┘
type nativeExecutor struct {
	*greeted
	server      *native
	id          uint32
	end         chan ending   // receives once
	reaped      chan struct{} // closed when status is set
	status      Status
	streams     *streams // that it was forked with; nil when they have been used
	left        int      // requests that it may still have
	interrupted atomic.Bool
}

// An ending is how an executor has ended: its status, or why there was none.
type ending struct {
	status  Status
	failure string
}

// A nativeCall is what a native executor does for one request.
type nativeCall struct {
	*nativeExecutor
	*streams
}

// attend has the process reaped when it has ended, parked or not.
func (e *nativeExecutor) attend() {
	e.peer.wait()
	if e.interrupted.Load() {
		// Nobody waits for what is left of the group any more.
		e.peer.signalGroup(syscall.SIGKILL)
	}
	e.server.reap(e.id)
	end := e.await()
	e.status = end.status
	if end.failure != "" { // of an executor that has greeted
		e.status = Status{Lost: true}
	}
	e.peer.close()
	close(e.reaped)
}

// Start implements [Executor].
func (e *nativeExecutor) Start(ctx context.Context, req Request) (Call, error) {
	message, err := appendMessage([]byte{0}, req.Env, req.Args)
	if err != nil {
		e.Dismiss()
		return nil, err
	}
	stdin, err := orNull(req.Stdin)
	if err != nil {
		e.Dismiss()
		return nil, err
	}
	c := &nativeCall{e, e.streams}
	fds := []int{stdin}
	if c.streams == nil {
		if c.streams, err = newStreams(); err != nil {
			e.Dismiss()
			return nil, err
		}
		fds = append(fds, c.theirStdout, c.theirStderr)
	}
	e.streams = nil
	err = e.send(ctx, message, fds)
	c.handedOver()
	if e.left--; e.left == 0 || err != nil {
		_ = e.conn.Close() // an executor that has not all of its request ends
	}
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		err = ctx.Err()
	case isHangUp(err):
		err = ErrGone
	default:
		err = fmt.Errorf("cannot send the request to the executor: %w", err)
	}
	c.abandon()
	return nil, err
}

// roomy is how long a message may be that never waits: an executor that has read all
// before leaves its socket empty, and that holds more.
const roomy = 64 << 10

// send sends the byte that says "go on", with its descriptors, and the request.
func (e *nativeExecutor) send(ctx context.Context, message []byte, fds []int) error {
	if len(message) > roomy {
		defer abortWhenDone(ctx, e.conn)()
	}
	return e.conn.send(message, fds...)
}

// Dismiss implements [Executor].
func (e *nativeExecutor) Dismiss() {
	_ = e.conn.Close() // it ends when it reads that, which attend sees
	if e.streams != nil {
		e.streams.abandon()
	}
}

// Memory implements [Executor].
func (e *nativeExecutor) Memory() int64 { return residentMemory(e.peer.pid) }

// stillborn ends an executor that has not said its greeting, and returns why.
func (e *nativeExecutor) stillborn(ctx context.Context, err error) error {
	e.server.reap(e.id)
	if ctx.Err() != nil {
		go e.await() // until the server has reaped it: nobody waits for that
		return ctx.Err()
	}
	end := e.await()
	switch {
	case end.failure != "":
		return fmt.Errorf("cannot fork: %s", end.failure)
	case errors.Is(err, ErrGone), isHangUp(err):
		return ErrGone
	}
	return fmt.Errorf("cannot have an executor: %w", err)
}

// await returns when the server has told the end, or is gone.
func (e *nativeExecutor) await() ending {
	end := <-e.end
	e.server.leave()
	e.server.guard.forget(e.server.child.pid)
	e.server.guard.release()
	return end
}

// wait returns when the process has been reaped.
func (e *nativeExecutor) wait() Status {
	<-e.reaped
	return e.status
}

// PID implements [Call].
func (e *nativeExecutor) PID() int { return e.peer.pid }

// Interrupt implements [Call].
func (e *nativeExecutor) Interrupt() {
	e.interrupted.Store(true)
	e.peer.signalGroup(syscall.SIGTERM)
}

// Kill implements [Call]. The executor may have left the group that it led.
func (e *nativeExecutor) Kill() {
	e.interrupted.Store(true)
	e.peer.signal(syscall.SIGKILL)
	e.peer.signalGroup(syscall.SIGKILL)
}

// Answered implements [Call].
func (e *nativeExecutor) Answered() bool { return e.peer.hasMemory() }

// Wait implements [Call].
func (c *nativeCall) Wait() (Status, Executor) {
	if c.left == 0 {
		return c.wait(), nil
	}
	var wait [4]byte
	if _, err := io.ReadFull(c.conn, wait[:]); err != nil { // it is at its end
		_ = c.conn.Close()
		return c.wait(), nil
	}
	status := decodeStatus(binary.BigEndian.Uint32(wait[:]))
	if c.interrupted.Load() { // a handler of the script's may have saved it
		_ = c.conn.Close()
		c.wait()
		return status, nil
	}
	return status, c.nativeExecutor
}
