package prefork

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
)

// A nativeCall is one execution under the native dialect. The executor is the
// server's child: until the server is asked to reap it, its number is its own.
type nativeCall struct {
	*greeted
	server      *native
	id          uint32
	end         chan ending // receives once
	interrupted atomic.Bool
}

// An ending is how a call has ended: the executor's status, or why there was none.
type ending struct {
	status  Status
	failure string
}

// start sends the request.
func (c *nativeCall) start(ctx context.Context, message []byte) error {
	stop := abortWhenDone(ctx, c.conn)
	_, err := c.conn.Write(message)
	stop()
	_ = c.conn.Close() // an executor that has not all of it ends
	if err == nil {
		return nil
	}
	c.peer.close()
	return c.vain(ctx, err)
}

// vain ends a call whose executor has not had its request, and returns why.
func (c *nativeCall) vain(ctx context.Context, err error) error {
	c.server.reap(c.id)
	if ctx.Err() != nil {
		go c.await() // until the server has reaped it: nobody waits for that
		return ctx.Err()
	}
	end := c.await()
	switch {
	case end.failure != "":
		return fmt.Errorf("cannot fork: %s", end.failure)
	case errors.Is(err, ErrGone), isHangUp(err):
		return ErrGone
	}
	return fmt.Errorf("cannot send the request to the executor: %w", err)
}

// await returns when the server has told the end, or is gone.
func (c *nativeCall) await() ending {
	end := <-c.end
	c.server.leave()
	c.server.guard.forget(c.server.child.pid)
	c.server.guard.release()
	return end
}

// PID implements [Call].
func (c *nativeCall) PID() int { return c.peer.pid }

// Interrupt implements [Call].
func (c *nativeCall) Interrupt() {
	c.interrupted.Store(true)
	c.peer.signalGroup(syscall.SIGTERM)
}

// Kill implements [Call]. The executor may have left the group that it led.
func (c *nativeCall) Kill() {
	c.interrupted.Store(true)
	c.peer.signal(syscall.SIGKILL)
	c.peer.signalGroup(syscall.SIGKILL)
}

// Wait implements [Call].
func (c *nativeCall) Wait() Status {
	c.peer.wait()
	if c.interrupted.Load() {
		// Nobody waits for what is left of the group any more.
		c.peer.signalGroup(syscall.SIGKILL)
	}
	c.server.reap(c.id)
	end := c.await()
	c.peer.close()
	if end.failure != "" { // of an executor that has greeted
		return Status{Lost: true}
	}
	return end.status
}
