package pool

import (
	"errors"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// Steps of the backoff after failed setups: the first wait, doubled with each
// further failure, up to the last.
const (
	firstBackoff = time.Second
	lastBackoff  = time.Minute
)

// A backoff remembers that setup has failed. The zero value remembers nothing.
type backoff struct {
	next  time.Duration // length of the next wait
	until time.Time
	err   error
}

// failed starts a wait and returns its length. Setup that succeeded, with a
// server that was killed in that very moment, is tried again at once: the script
// is not to blame, the first time.
func (b *backoff) failed(now time.Time, err error) time.Duration {
	if errors.Is(err, prefork.ErrGone) && b.err == nil {
		b.err = err
		return 0
	}
	wait := max(b.next, firstBackoff)
	*b = backoff{next: min(2*wait, lastBackoff), until: now.Add(wait), err: err}
	return wait
}

// refusal returns why setup may not be tried now; nil if it may.
func (b *backoff) refusal(now time.Time) error {
	if wait := b.until.Sub(now); wait > 0 {
		return &BackoffError{RetryIn: wait, Err: b.err}
	}
	return nil
}

// reason returns why setup has failed; empty if it has not.
func (b *backoff) reason() string {
	if b.err == nil {
		return ""
	}
	return b.err.Error()
}

// clear forgets: setup succeeded, or its sources have changed.
func (b *backoff) clear() { *b = backoff{} }
