package prefork

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A nativeExecutor is a process that a native server has forked, or is about to. It is
// the server's child: until the server is asked to reap it, its number is its own.
//
//	parked ── Start ──▶ runs ─────────▶ ended ──▶ gone
//	   ▲                  │               ▲
//	   └── more requests ─┘               │
//	   └── Dismiss, or it dies ───────────┘
//
// Nobody waits for its greeting while it is parked; Start reads it. Before that the vigil
// knows it by its call socket, whose other end nobody else has, and later by a pidfd: at once if
// it may have more requests, and otherwise when it is attended. See [native.sweep].
type nativeExecutor struct {
	server      *native
	id          uint32
	until       time.Time   // when it must have greeted; zero without a limit
	end         chan ending // receives once: the server has reaped it, or is gone
	streams     *streams    // that it was forked with; nil when they have been used
	kin         kin
	interrupted atomic.Bool
	ended       atomic.Bool // or about to: it is being reaped; changes with the mutex held
	leaves      atomic.Bool // its script has ended, and it is about to

	mu       sync.Mutex // guards what follows
	call     int        // our end of its socket; -1 when closed
	pid      int        // 0 until it has been met
	peer     *peer      // nil until its end is watched for
	heard    bool       // and so is the status of a request, on call
	left     int        // requests that it may still have
	starting bool       // Start uses call, which nobody else may close
	missed   bool       // something has come on call meanwhile
	clearing bool       // it was interrupted, and what it has started is to end first
	gone     bool       // it has been reaped
	status   Status     // with which; if nobody knows, Lost
	tell     Ended      // who is to be told; nil while it has no request
	extender Extender   // that request's; may be nil
	whenGone func()     // is to be told too; may be nil
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

// look sees what has happened. If the process has ended, or is about to, it is to be
// reaped, which is reported once.
func (e *nativeExecutor) look(ended bool) (reap bool) {
	_ = e.hasReturned()
	e.mu.Lock()
	defer e.mu.Unlock()
	// One that has not been met is watched for nothing but the end of its socket.
	if (ended || e.pid == 0) && !e.ended.Swap(true) {
		reap = true
		e.clearing = e.interrupted.Load()
	}
	return reap
}

// hasReturned tells who waits for it how the request has ended of an executor that wants
// another one, and reports whether there was one.
func (e *nativeExecutor) hasReturned() bool {
	e.mu.Lock()
	var tell Ended
	status, told := e.readStatus()
	if told {
		tell, e.tell = e.tell, nil
	}
	e.mu.Unlock()
	if tell != nil {
		tell(status, e)
	}
	return told
}

// runs reports whether it has had a request and has not ended since, with all that ends
// with it.
func (e *nativeExecutor) runs() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pid != 0 && (!e.ended.Load() || e.clearing)
}

// readStatus reads that an executor wants another request, and how it has ended its last
// one. That of one which does not is told when it has been reaped.
func (e *nativeExecutor) readStatus() (status Status, ok bool) {
	if e.pid == 0 || e.call < 0 || e.left == 0 {
		return status, false
	}
	if e.starting { // whoever is told of the end may start it again
		e.missed = true
		return status, false
	}
	var wait [4]byte
	n, err := unix.Read(e.call, wait[:])
	if again(err) {
		return status, false
	}
	if n < len(wait) || e.interrupted.Load() {
		e.hangUp() // it is at its end, or must come to it
		return status, false
	}
	return decodeStatus(binary.BigEndian.Uint32(wait[:])), true
}

// over notes that the executor has been reaped, and tells who waits for that. If the
// server is gone nobody knows the status.
func (e *nativeExecutor) over(end ending) {
	e.mu.Lock()
	e.ended.Store(true)
	e.gone = true
	if end.failure != "" { // of an executor that has greeted
		end.status = Status{Lost: true}
	}
	e.status = end.status
	var tell Ended
	whenGone := e.whenGone
	if !e.starting { // else send knows whether it has had its request
		tell, e.tell = e.tell, nil
		e.hangUp()
	}
	if e.peer != nil {
		e.peer.close()
	}
	e.mu.Unlock()
	if !e.leaves.Swap(true) {
		e.server.leave()
	}
	e.server.guard.forget(e.server.child.pid)
	e.server.guard.release()
	if whenGone != nil {
		whenGone()
	}
	e.end <- end
	if tell != nil {
		tell(end.status, nil)
	}
}

// hangUp closes the socket, at whose end an executor that waits ends too. It is called with
// the mutex held.
func (e *nativeExecutor) hangUp() {
	if e.call >= 0 {
		_ = unix.Close(e.call)
		e.call = -1
	}
}

// Start implements [Executor].
func (e *nativeExecutor) Start(ctx context.Context, req Request, ended Ended) (Call, error) {
	message, err := appendMessage([]byte{0}, req.Env, req.Args)
	stdin, errStdin := orNull(req.Stdin)
	if err = errors.Join(err, errStdin); err == nil {
		err = e.meet(ctx)
	}
	first := e.streams != nil
	if err == nil && !first {
		e.streams, err = newStreams()
	}
	if err != nil {
		e.Dismiss()
		return nil, err
	}
	// When the request is sent somebody may start the next one, before send returns.
	c := &nativeCall{e, e.streams}
	e.streams = nil
	fds := []int{stdin}
	if !first {
		fds = append(fds, c.theirStdout, c.theirStderr)
	}
	e.mu.Lock()
	e.extender = req.Extender
	e.mu.Unlock()
	err = e.send(ctx, message, fds, ended)
	c.handedOver()
	e.server.started(e)
	if err != nil {
		c.abandon()
		return nil, e.refusal(ctx, err)
	}
	return c, nil
}

// send sends the byte that says "go on", with its descriptors, and the request. The last
// request is the end of what is sent; an executor that has not all of it ends.
func (e *nativeExecutor) send(ctx context.Context, message []byte, fds []int, ended Ended) error {
	e.mu.Lock()
	e.starting, e.tell = true, ended
	e.left--
	lives, call := !e.ended.Load() && e.call >= 0, e.call
	e.mu.Unlock()
	err := ErrGone
	if lives {
		err = sendAll(ctx, call, message, fds...)
	}
	e.mu.Lock()
	missed := e.missed
	e.starting, e.missed = false, false
	if e.left == 0 || e.gone || err != nil {
		e.hangUp()
	}
	var tell Ended
	if err != nil || e.gone {
		tell, e.tell = e.tell, nil
	}
	status := e.status
	e.mu.Unlock()
	if missed {
		e.server.look(happening{id: e.id})
	}
	if err == nil && tell != nil { // it has ended meanwhile
		tell(status, nil)
	}
	return err
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

// WhenGone implements [Executor].
func (e *nativeExecutor) WhenGone(f func()) {
	e.mu.Lock()
	e.whenGone = f
	gone := e.gone
	e.mu.Unlock()
	if gone {
		f()
	}
}

// Dismiss implements [Executor]. The executor ends when it reads end-of-file. One that
// has not been met is known by its socket, which stays open until then.
func (e *nativeExecutor) Dismiss() {
	e.mu.Lock()
	e.starting = false
	met := e.pid != 0
	if met || e.gone {
		e.hangUp()
	} else {
		_ = unix.Shutdown(e.call, unix.SHUT_WR)
	}
	e.mu.Unlock()
	if met {
		e.server.started(e) // as one whose end nobody waits for
	}
	if e.streams != nil {
		e.streams.abandon()
	}
}

// Memory implements [Executor].
func (e *nativeExecutor) Memory() int64 { return residentMemory(e.pid) }

// PID implements [Call].
func (e *nativeExecutor) PID() int { return e.pid }

// Answered implements [Call]. The number is the executor's own until it is reaped.
//
// The status of one that may have another request comes before the end of its output.
func (c *nativeCall) Answered() (answered, leaves bool) {
	if c.hasReturned() {
		return true, false
	}
	if c.isWhole() {
		if !c.leaves.Swap(true) {
			c.server.leaving()
		}
		return true, true
	}
	c.Attend()
	return hasMemory(c.pid) && !c.ended.Load(), false
}
