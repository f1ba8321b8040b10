package prefork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// meet takes hold of the process, which has said its greeting, or will.
func (e *nativeExecutor) meet(ctx context.Context) error {
	e.mu.Lock()
	if e.pid != 0 {
		e.mu.Unlock()
		return nil
	}
	e.starting = true
	lives, call := !e.ended.Load(), e.call
	e.mu.Unlock()
	if !lives {
		return e.verdict(ctx)
	}
	reader := &greetingReader{ctx: ctx, call: call, until: e.until}
	err := readGreeting(reader)
	switch {
	case err == nil && reader.pid > 0:
		return e.met(reader.pid)
	case err == nil:
		return errors.New("cannot learn who has sent a greeting")
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("cannot have an executor: %w", context.DeadlineExceeded)
	case isHangUp(err):
		return e.verdict(ctx)
	}
	return fmt.Errorf("cannot read a greeting: %w", err)
}

// met notes the number of the process. The end of one that may have several requests is watched for
// from now on.
func (e *nativeExecutor) met(pid int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return ErrGone
	}
	e.pid = pid
	if e.left == 1 {
		return nil
	}
	return e.hold()
}

// verdict returns why an executor has ended that has had no request.
func (e *nativeExecutor) verdict(ctx context.Context) error {
	select {
	case end := <-e.end:
		if end.failure != "" {
			return &ForkError{Said: strings.TrimPrefix(end.failure, "cannot fork: ")}
		}
		return ErrGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A greetingReader reads from the call socket of an executor, and waits if need be. It
// keeps the process number of the first sender.
type greetingReader struct {
	ctx   context.Context //nolint:containedctx // it is an argument of Read
	call  int
	until time.Time // when something must have come; zero without a limit
	pid   int
}

func (r *greetingReader) Read(p []byte) (n int, err error) {
	n, pid, err := receive(r.call, p)
	if again(err) {
		n, pid, err = r.wait(p)
	}
	if r.pid == 0 {
		r.pid = pid
	}
	return n, err
}

func (r *greetingReader) wait(p []byte) (n, pid int, err error) {
	s, done, err := waiting(r.ctx, r.call, r.until)
	if err != nil {
		return 0, 0, err
	}
	defer done()
	return s.receive(p)
}
