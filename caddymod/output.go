package caddymod

import (
	"bufio"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// errPause says that nothing came for a moment.
var errPause = errors.New("no output for now")

// bufferSize is that of the buffers through which output goes: half a pipe.
const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, bufferSize) }}

// An output reads what an executor writes. It ends with the pipe, or when the
// executor has ended and the pipe is empty: what a process that it has left
// behind may write later is not waited for.
type output struct {
	buffer *bufio.Reader // of what Read returns
	pipe   *os.File
	lease  *pool.Lease // nil before the call has begun
	patience

	waiting atomic.Bool // for the client to send more of the request: the script may wait for it too

	mu      sync.Mutex // guards what follows, and the pipe's read deadline
	began   time.Time  // the call
	alive   time.Time  // last sign of life
	more    time.Time  // no limit ends the script before; zero unless it has asked for that
	pausing bool       // a read ends when nothing has come for flushDelay
	paused  bool       // nothing has
	slow    bool       // limits are kept from now on
	armed   bool       // the pipe has a deadline
	closed  bool
	body    bool        // each byte is a sign of life
	aborted error       // why nothing more is to be read
	watch   *time.Timer // ends an executor whose output is not being read; nil if there is no such limit
}

// newOutput returns that of a call which is about to be made.
func newOutput(limits patience) *output {
	now := time.Now()
	return &output{patience: limits, began: now, alive: now}
}

// begin takes pipe over. Until next is called what is read is the header. Limits
// are kept from the call of slowDown on.
func (o *output) begin(pipe *os.File, lease *pool.Lease) {
	o.buffer = buffers.Get().(*bufio.Reader)
	o.buffer.Reset(o)
	o.mu.Lock()
	o.pipe, o.lease = pipe, lease
	o.mu.Unlock()
}

// next returns what has come of the body, waiting for it if need be. It is valid
// until the next call. If it is to note pauses and nothing comes for flushDelay, the
// error is errPause.
func (o *output) next(pausing bool) ([]byte, error) {
	o.mu.Lock()
	o.pausing, o.paused, o.body = pausing, false, true
	o.mu.Unlock()
	if _, err := o.buffer.Peek(1); err != nil {
		return nil, err
	}
	chunk, _ := o.buffer.Peek(o.buffer.Buffered())
	_, _ = o.buffer.Discard(len(chunk)) // which keeps the bytes
	return chunk, nil
}

// discard reads to the end and waits until the executor has ended.
func (o *output) discard() error {
	for {
		if _, err := o.next(false); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	o.lease.Attend()
	for {
		select {
		case <-o.lease.Finished():
			return o.reason()
		case <-o.silent():
			if err := o.overdue(); err != nil {
				return err
			}
		}
	}
}

// Read reads from the pipe. It is for buffer.
func (o *output) Read(p []byte) (int, error) {
	o.sign(false)
	if o.pausing { // most have ended by now, and no timer is to be set for them
		if n, err := prefork.ReadReady(o.pipe, p); n > 0 || err != nil {
			return n, err
		}
		defer flushes.add(o.pauses).stop()
	}
	for {
		if err := o.arm(); err != nil {
			return 0, err
		}
		n, err := o.pipe.Read(p)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		select {
		case <-o.lease.Finished():
			return o.rest(p)
		default:
		}
		if err := o.overdue(); err != nil {
			return 0, err
		}
	}
}

// rest reads what is in the pipe after the executor's end.
func (o *output) rest(p []byte) (int, error) {
	n, err := prefork.ReadReady(o.pipe, p)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

// sign notes a sign of life. In the header the script's output is none.
func (o *output) sign(input bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if input || o.body && !o.pausing {
		o.alive = time.Now()
	}
}

// progress notes that the script has taken some of its input, or has been sent all of it.
func (o *output) progress() {
	o.sign(true)
	o.wake()
}

// flushes has who waits for output to come without a pause.
var flushes = &rota{delay: flushDelay}

// pauses ends a read that notes pauses.
func (o *output) pauses() {
	o.mu.Lock()
	o.paused = true
	o.mu.Unlock()
	o.wake()
}

// slowDown has limits kept: the script is none of those that end at once.
func (o *output) slowDown() {
	o.mu.Lock()
	o.slow = true
	o.mu.Unlock()
	o.guard()
	o.wake()
}

// wake has a read that waits look at what has changed.
func (o *output) wake() { _ = o.arm() }

// arm sets the deadline of the read that waits, or of the next. It fails when
// there is to be none.
func (o *output) arm() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	deadline := o.deadline()
	if deadline.IsZero() && !o.armed {
		return o.aborted
	}
	o.armed = true
	return errors.Join(o.aborted, o.pipe.SetReadDeadline(deadline))
}

// deadline is called with the mutex held.
func (o *output) deadline() time.Time {
	select {
	case <-o.lease.Finished():
		return time.Unix(1, 0)
	default:
	}
	switch {
	case o.aborted != nil:
		return time.Unix(1, 0)
	case o.pausing && o.paused:
		return time.Unix(1, 0)
	case o.slow && !o.pausing:
		return o.silentAt()
	}
	return time.Time{}
}

// overdue returns why a read whose deadline has passed should not go on.
func (o *output) overdue() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.aborted != nil:
		return o.aborted
	case o.pausing && o.paused:
		return errPause
	}
	if at := o.silentAt(); !at.IsZero() && !time.Now().Before(at) {
		return o.exceeded()
	}
	return nil
}

// reason returns why the executor has been ended; nil if it has not.
func (o *output) reason() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.aborted
}

// abort ends the executor, and the reading, for the first reason that is given.
// It returns that.
func (o *output) abort(reason error) error {
	o.mu.Lock()
	if o.aborted == nil {
		o.aborted = reason
	}
	reason = o.aborted
	o.mu.Unlock()
	o.lease.Interrupt()
	o.wake()
	return reason
}

// close gives pipe and buffer back. An executor that still runs may do so for as
// long as it may be silent, counted from now; then it is ended.
func (o *output) close() {
	_ = o.pipe.Close()
	o.buffer.Reset(nil)
	buffers.Put(o.buffer)
	o.mu.Lock()
	o.closed, o.body, o.alive = true, true, time.Now()
	o.mu.Unlock()
	o.guard()
}
