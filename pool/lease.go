package pool

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// maxHandovers is how many servers a request is offered to that end before they
// have taken any. More than one means that a server ended in just that moment; a
// server that always does is broken, not unlucky.
const maxHandovers = 4

// A Lease is one request's right to make one call. The request owns it and must
// call Call or Release, once. After a Call that succeeded it returns by itself
// when the executor has been reaped.
type Lease struct {
	pool     *Pool
	granted  chan error    // the pool's answer, each time the lease waits
	finished chan struct{} // closed when status is set
	status   prefork.Status

	// ---- owned by the pool's run; server, queued and grace may be read by the
	// request between a grant and what it does next ----
	place   place
	version int // of the sources; a strict pool lets no older server have it
	server  *server
	arrived time.Time
	queued  time.Duration
	grace   time.Duration

	mu          sync.Mutex // guards what follows
	call        prefork.Call
	interrupted bool
	ended       bool
	kill        *time.Timer
}

// A place is where a lease is; see the package comment.
type place string

const (
	queued   place = "queued"
	starved  place = "starved"
	granted  place = "granted"
	returned place = "returned"
)

// await waits for the pool's answer. When it fails the lease is over.
func (l *Lease) await(ctx context.Context) error {
	select {
	case err := <-l.granted:
		return err
	case <-ctx.Done():
		l.Release()
		return ctx.Err()
	}
}

// Queued returns how long the lease waited for one of the pool's executors to
// be free.
func (l *Lease) Queued() time.Duration { return l.queued }

// Info describes the process that serves the lease.
func (l *Lease) Info() prefork.Info { return l.server.info }

// Call hands the request to the process. ctx bounds that and nothing later.
// When it fails the lease is over.
func (l *Lease) Call(ctx context.Context, req prefork.Request) error {
	for vain := 0; ; {
		call, err := l.server.proc.Call(ctx, req)
		if err == nil {
			l.server.served.Store(true)
			l.begin(call)
			return nil
		}
		if !l.server.served.Load() {
			vain++
		}
		if !errors.Is(err, prefork.ErrGone) || vain == maxHandovers {
			l.Release()
			return err
		}
		// Nothing of the request has been used: it waits for the next server.
		l.pool.send(func() { l.pool.lost(l) })
		if err := l.await(ctx); err != nil {
			return err
		}
	}
}

// begin notes that the executor runs.
func (l *Lease) begin(call prefork.Call) {
	l.mu.Lock()
	l.call = call
	interrupted := l.interrupted
	l.interrupted = false
	l.mu.Unlock()
	if interrupted { // before there was anything to interrupt
		l.Interrupt()
	}
	go l.finish() // until the executor is reaped
}

// finish waits for the executor and returns the lease.
func (l *Lease) finish() {
	status := l.call.Wait()
	l.mu.Lock()
	l.ended = true
	if l.kill != nil {
		l.kill.Stop()
	}
	l.mu.Unlock()
	l.status = status
	l.Release()
	close(l.finished)
}

// PID returns the executor's process number as far as it is known; see
// [prefork.Call].
func (l *Lease) PID() int { return l.call.PID() }

// Finished is closed when the executor has been reaped.
func (l *Lease) Finished() <-chan struct{} { return l.finished }

// Status returns how the executor ended. Finished must be closed.
func (l *Lease) Status() prefork.Status { return l.status }

// Interrupt asks the executor to end, now or as soon as it begins, and has it
// killed after the grace period. It may be called at any time and repeatedly.
func (l *Lease) Interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.interrupted || l.ended {
		return
	}
	l.interrupted = true
	if l.call != nil {
		l.call.Interrupt()
		l.kill = time.AfterFunc(l.grace, l.Kill)
	}
}

// Kill ends the executor now, if it runs.
func (l *Lease) Kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.call != nil && !l.ended {
		l.call.Kill()
	}
}

// Release gives the lease back without a call.
func (l *Lease) Release() {
	l.pool.send(func() { l.pool.released(l) })
}
