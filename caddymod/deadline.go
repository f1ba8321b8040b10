package caddymod

import (
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// Interface guard.
var _ prefork.Extender = (*output)(nil)

// When an output's executor has taken too long. Who reads the output sees that it is silent, and
// a timer the rest: how long it runs altogether, and that it goes on after its exchange.

// silentAt returns when a script that gives no sign of life has been silent for too long; zero
// if it may be for ever. It is called with the mutex held.
func (o *output) silentAt() time.Time {
	if _, limit := o.silenceLimit(); limit > 0 && (o.closed || !o.waiting.Load()) {
		return o.extended(o.alive.Add(limit))
	}
	return time.Time{}
}

// extended returns when a limit ends the script that would do so at a time. It is called with the
// mutex held.
func (o *output) extended(at time.Time) time.Time {
	if at.Before(o.more) {
		return o.more
	}
	return at
}

// Extend implements [prefork.Extender]: for so long from now no limit ends the script. It refuses what
// is beyond max_extension, counted from the call.
func (o *output) Extend(more time.Duration) bool {
	until := time.Now().Add(more)
	o.mu.Lock()
	if o.aborted != nil || o.most > 0 && until.After(o.began.Add(o.most)) {
		o.mu.Unlock()
		return false
	}
	if o.more.Before(until) {
		o.more = until
	}
	begun := o.lease != nil
	o.mu.Unlock()
	if begun {
		o.guard()
		o.wake()
	}
	return true
}

// silenceLimit returns which limit counts now. It is called with the mutex held.
func (o *output) silenceLimit() (string, time.Duration) {
	if o.body {
		return "silence_timeout", o.silence
	}
	return "first_byte_timeout", o.first
}

// exceeded returns the error of a script that is silent for too long. It is called with the
// mutex held.
func (o *output) exceeded() error {
	name, limit := o.silenceLimit()
	return &limitError{limit: name, after: limit}
}

// silent delivers when the script, which gives no more signs of life, has been silent for too long.
func (o *output) silent() <-chan time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := o.silentAt()
	if at.IsZero() {
		return nil
	}
	return time.After(time.Until(at))
}

// guard sets the timer, or lets it do what is due.
func (o *output) guard() {
	o.mu.Lock()
	due, reason := o.due()
	wait := time.Until(due)
	switch {
	case !o.slow || due.IsZero() || o.aborted != nil:
		reason = nil
	case wait > 0 && o.watch == nil:
		o.watch = time.AfterFunc(wait, o.guard)
	case wait > 0:
		o.watch.Reset(wait)
	}
	o.mu.Unlock()
	if reason != nil && wait <= 0 {
		_ = o.abort(reason)
	}
}

// due returns when the timer ends the executor, and why; zero for never. It is called with the
// mutex held.
func (o *output) due() (at time.Time, reason error) {
	select {
	case <-o.lease.Finished():
		return at, nil
	default:
	}
	if o.run > 0 {
		at, reason = o.extended(o.began.Add(o.run)), &limitError{limit: "run_timeout", after: o.run}
	}
	if silent := o.silentAt(); o.closed && !silent.IsZero() && (at.IsZero() || silent.Before(at)) {
		at, reason = silent, o.exceeded()
	}
	return at, reason
}

// ended notes that the executor has.
func (o *output) ended() {
	o.mu.Lock()
	if o.watch != nil {
		o.watch.Stop()
	}
	o.mu.Unlock()
	o.wake()
}
