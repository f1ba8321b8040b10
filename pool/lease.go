package pool

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// maxVain is how many servers a request is offered to that end before they have taken
// any. More than one means that a server ended in just that moment; a server that
// always does is broken, not unlucky.
const maxVain = 4

// A Lease is one request's right to make one call. The request owns it and must
// call Call or Release, once. After a Call that succeeded it returns by itself
// when the executor has been reaped.
type Lease struct {
	pool     *Pool
	granted  chan error    // the pool's answer, each time the lease waits
	finished chan struct{} // closed when status is set
	status   prefork.Status

	// ---- owned by the pool's messages, and by the request between a grant and what
	// it does next ----
	place    place
	version  int // of the sources; a strict pool lets no older server have it
	server   *server
	unused   *executor // nil when it has been asked to start
	starting bool      // it has its executor, which has not been started
	vain     int       // servers that have ended before they took it
	arrived  time.Time
	since    time.Time // it has waited for an executor of a server that is there
	queued   time.Duration
	stop     syscall.Signal // asks its executor to end
	grace    time.Duration
	began    time.Time // its execution
	streams  bool      // it has given its slot back

	responding atomic.Bool // the header of its response has been sent

	mu          sync.Mutex // guards what follows
	call        prefork.Call
	interrupted bool
	ended       bool
	afterEnd    func()
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

// Call hands the request to the executor. ctx bounds that and nothing later. When it
// fails the lease is over.
func (l *Lease) Call(ctx context.Context, req prefork.Request) error {
	for {
		executor := l.unused
		l.unused = nil
		call, err := executor.Start(ctx, req, func(status prefork.Status, next prefork.Executor) {
			executor.Executor = next
			l.finish(status, executor)
		})
		if err == nil {
			l.server.served.Store(true)
			l.begin(call)
			l.pool.ask(func() {
				l.server.barren = false
				l.pool.begun(l)
			})
			return nil
		}
		// One that was forked for nobody says nothing of what this one would get.
		again := errors.Is(err, prefork.ErrGone) || isForkError(err) && executor.born.Before(l.since)
		if !again {
			return l.fail(ctx, err)
		}
		// Nothing of the request has been used: it waits for the next executor.
		l.pool.ask(func() { l.pool.again(l) })
		if err := l.await(ctx); err != nil {
			return err
		}
	}
}

func isForkError(err error) bool {
	var fork *prefork.ForkError
	return errors.As(err, &fork)
}

// fail ends a lease whose executor could not be started.
func (l *Lease) fail(ctx context.Context, err error) error {
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	l.pool.send(func() {
		switch {
		case isForkError(err):
			l.pool.target = 0
			l.pool.isBarren(l.server, err)
		case late: // as many run as the library allows
			err = l.pool.overload(ErrQueueTimeout)
		}
		l.pool.released(l)
	})
	return err
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
}

// finish returns the lease, and the executor if it can be used again.
func (l *Lease) finish(status prefork.Status, executor *executor) {
	l.mu.Lock()
	l.ended, l.status = true, status
	if l.kill != nil {
		l.kill.Stop()
	}
	afterEnd, interrupted := l.afterEnd, l.interrupted
	l.mu.Unlock()
	l.pool.send(func() {
		l.pool.measure(l)
		if !l.server.proved && !interrupted {
			l.pool.judge(l.server, status)
		}
		l.pool.released(l)
		l.pool.reuse(l.server, executor)
	})
	close(l.finished)
	if afterEnd != nil {
		afterEnd()
	}
}

// AfterEnd has f called when the execution is over, by a goroutine that others wait for: it
// must not block. It is called once, after Call.
func (l *Lease) AfterEnd(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.afterEnd = f
		return
	}
	go func() { // until f has returned
		<-l.finished // which is about to be closed
		f()
	}()
}

// Stdout and Stderr are our ends of the executor's streams. Who has made the call
// closes them.
func (l *Lease) Stdout() *os.File { return l.call.Stdout() }

// Stderr is as Stdout.
func (l *Lease) Stderr() *prefork.Unread { return l.call.Stderr() }

// Answered reports, after end-of-file on Stdout, whether there is nothing more to be
// learned; see [prefork.Call]. The slot of an executor that leaves is free from now on.
func (l *Lease) Answered() bool {
	answered, leaves := l.call.Answered()
	if leaves {
		l.pool.send(func() { l.pool.released(l) })
	}
	return answered
}

// Attend is called by who waits for Finished: it is closed as soon as it can be then.
func (l *Lease) Attend() { l.call.Attend() }

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
		l.call.Interrupt(l.stop)
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
