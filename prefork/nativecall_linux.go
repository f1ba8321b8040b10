package prefork

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
)

// A nativeExecutor is a process that a native server has forked. It is the server's
// child: until the server is asked to reap it, its number is its own.
//
//	parked ── Start ──▶ runs ─────────▶ gone
//	   ▲                  │
//	   └── more requests ─┘
type nativeExecutor struct {
	*greeted
	server      *native
	id          uint32
	end         chan ending // receives once: the server has reaped it, or is gone
	streams     *streams    // that it was forked with; nil when they have been used
	left        int         // requests that it may still have
	interrupted atomic.Bool

	mu    sync.Mutex // guards what follows
	gone  bool       // it has been reaped
	ended Ended      // to be told; nil while it has no request
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

// attend has the process reaped when it has ended, parked or not, and tells who waits
// for that. If the server is gone nobody knows its status.
func (e *nativeExecutor) attend() {
	e.peer.wait()
	if e.interrupted.Load() {
		// Nobody waits for what is left of the group any more.
		e.peer.signalGroup(syscall.SIGKILL)
	}
	e.server.reap(e.id)
	end := e.await()
	e.peer.close()
	e.mu.Lock()
	e.gone = true
	e.mu.Unlock()
	if ended := e.take(); ended != nil {
		if end.failure != "" { // of an executor that has greeted
			end.status = Status{Lost: true}
		}
		ended(end.status, nil)
	}
}

// await returns when the server has told the end, or is gone. It is called once.
func (e *nativeExecutor) await() ending {
	end := <-e.end
	e.server.leave()
	e.server.guard.forget(e.server.child.pid)
	e.server.guard.release()
	return end
}

// give notes who is to be told of the end; false if that has come.
func (e *nativeExecutor) give(ended Ended) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = ended
	return !e.gone
}

// take returns who is to be told, once.
func (e *nativeExecutor) take() Ended {
	e.mu.Lock()
	defer e.mu.Unlock()
	ended := e.ended
	e.ended = nil
	return ended
}

// Start implements [Executor].
func (e *nativeExecutor) Start(ctx context.Context, req Request, ended Ended) (Call, error) {
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
	err = ErrGone
	if e.give(ended) {
		err = e.send(ctx, message, fds)
	}
	c.handedOver()
	if e.left--; e.left == 0 || err != nil {
		_ = e.conn.Close() // an executor that has not all of its request ends
	}
	if err != nil && e.take() != nil { // else the end has been told already
		c.abandon()
		return nil, e.refusal(ctx, err)
	}
	if e.left > 0 {
		go e.listen() // until it wants another request, or ends
	}
	return c, nil
}

// refusal returns why a request has not been handed over.
func (e *nativeExecutor) refusal(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrGone), isHangUp(err):
		return ErrGone
	}
	return fmt.Errorf("cannot send the request to the executor: %w", err)
}

// listen waits for an executor to say that it wants another request. That of one which
// does not is told when it has been reaped.
func (e *nativeExecutor) listen() {
	var wait [4]byte
	if _, err := io.ReadFull(e.conn, wait[:]); err != nil || e.interrupted.Load() {
		_ = e.conn.Close() // it is at its end, or must come to it
		return
	}
	if ended := e.take(); ended != nil {
		ended(decodeStatus(binary.BigEndian.Uint32(wait[:])), e)
	}
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
