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

// maxCrashes is how many servers and executors in a row may be killed before one has
// served a call, until they are a crash loop. One may just have been unlucky.
const maxCrashes = 4

// A backoff remembers that setup has failed, or that what it has made crashes. The zero
// value remembers nothing.
type backoff struct {
	next    time.Duration // length of the next wait
	until   time.Time
	err     error
	crashes int // in a row, without a good call
}

// failed starts a wait and returns its length. Setup that succeeded, with a
// server that was killed in that very moment, is tried again at once: the script
// is not to blame, the first time. Nor is it for what the machine lacks, which may be
// there again at any moment: that wait does not become longer.
//
// jitter, from 0 to 1, makes the wait up to a fifth shorter or longer, so that pools that
// have failed together are not tried again together.
func (b *backoff) failed(now time.Time, err error, jitter float64) time.Duration {
	if errors.Is(err, prefork.ErrGone) && b.err == nil {
		b.err = err
		return 0
	}
	b.err = err
	wait := firstBackoff
	if !prefork.IsShortage(err) {
		wait = max(b.next, firstBackoff)
		b.next = min(2*wait, lastBackoff)
	}
	wait += time.Duration((jitter - 0.5) * 0.4 * float64(wait))
	b.until = now.Add(wait)
	return wait
}

// crashed counts a server or an executor that was killed before the server had served a
// call, and starts a wait if there were too many of them. From then on each counts.
func (b *backoff) crashed(now time.Time, err error, jitter float64) time.Duration {
	if b.crashes++; !b.looping() {
		return 0
	}
	return b.failed(now, err, jitter)
}

// looping reports whether the script crashes again and again.
func (b *backoff) looping() bool { return b.crashes >= maxCrashes }

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

// ready forgets that setup has failed. That what it makes crashes is only forgotten
// when a call was good.
func (b *backoff) ready() {
	if !b.looping() {
		*b = backoff{crashes: b.crashes}
	}
}

// clear forgets: a call was good, the sources have changed, or an administrator says so.
func (b *backoff) clear() { *b = backoff{} }
