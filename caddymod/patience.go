package caddymod

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// A limitError says which time limit has been exceeded.
type limitError struct {
	limit  string // its name in the configuration
	after  time.Duration
	client bool // by the client, and not by the script
}

func (e *limitError) Error() string {
	who := "the script"
	if e.client {
		who = "the client"
	}
	return fmt.Sprintf("%s exceeded the %s of %v", who, e.limit, e.after)
}

// status is that of the answer, if none has begun.
func (e *limitError) status() int {
	if e.client {
		return http.StatusRequestTimeout
	}
	return http.StatusGatewayTimeout
}

// cause is that of the request's failure.
func (e *limitError) cause() cause {
	if e.client {
		return "body_stalled"
	}
	return "timeout"
}

// A patience is how long an execution is waited for, as far as it is limited.
type patience struct {
	first   time.Duration // from the call to the end of the header; no limit if not positive, and so for the others
	silence time.Duration // from one byte of the body to the next, and from its end to that of the executor
	run     time.Duration // from the call to the end of the executor
	most    time.Duration // from the call to the end of what the script may ask for
}

// hasty reports whether a limit may end a script before quickness has it looked at.
func (p patience) hasty() bool {
	return p.first > 0 && p.first < quickness.delay || p.silence > 0 && p.silence < quickness.delay
}

// patience returns that of each request.
func (l Limits) patience() patience {
	return patience{
		first:   time.Duration(cmp.Or(l.FirstByteTimeout, l.Timeout)),
		silence: time.Duration(cmp.Or(l.SilenceTimeout, l.Timeout)),
		run:     time.Duration(l.RunTimeout),
		most:    time.Duration(l.MaxExtension),
	}
}

// bodyTimeout returns how long a client may send nothing of a body; no limit if not positive.
func (l Limits) bodyTimeout() time.Duration { return time.Duration(cmp.Or(l.BodyTimeout, l.Timeout)) }

// newStalls returns who waits for request bodies; nil without a limit.
func newStalls(limit time.Duration) *rota {
	if limit <= 0 {
		return nil
	}
	return &rota{delay: limit}
}

// A timedBody is a request body that ends with an error when the client sends nothing for too
// long.
type timedBody struct {
	io.ReadCloser
	stalls  *rota
	control *http.ResponseController
	expired atomic.Bool
	unused  atomic.Bool // by the script: nobody waits for it, and there is no limit
}

// timeBody limits how long the client may send nothing of the request's body.
func (x *exchange) timeBody() {
	if x.stalls != nil && x.r.ContentLength != 0 {
		x.body = &timedBody{ReadCloser: x.r.Body, stalls: x.stalls, control: http.NewResponseController(x.w)}
		x.r.Body = x.body
	}
}

func (b *timedBody) Read(p []byte) (int, error) {
	if b.unused.Load() {
		return b.ReadCloser.Read(p)
	}
	turn := b.stalls.add(b.expire)
	n, err := b.ReadCloser.Read(p)
	turn.stop()
	if err != nil && !errors.Is(err, io.EOF) && b.expired.Load() {
		err = b.failure()
	}
	return n, err
}

func (b *timedBody) failure() error {
	return &limitError{limit: "body_timeout", after: b.stalls.delay, client: true}
}

// cause returns why the request's context has been cancelled: net/http does that for a read
// which expires, as for a client that has left.
func (x *exchange) cause() error {
	if x.body != nil && x.body.expired.Load() {
		return x.body.failure()
	}
	return context.Cause(x.r.Context())
}

// expire ends a read that waits. The connection is of no more use then.
func (b *timedBody) expire() {
	b.expired.Store(true)
	_ = b.control.SetReadDeadline(time.Unix(1, 0))
}
