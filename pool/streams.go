package pool

import "time"

// Responses that go on for long: event streams, the output of a traceroute. They hold an
// executor but hardly the machine, so they have places of their own. Nobody looks as long as
// nobody waits for a slot. All but Responding is executed by send.

// Responding notes that the header of the response has been sent: from now on it is a
// response that goes on, and not one that is late.
func (l *Lease) Responding() {
	l.responding.Store(true)
	if l.pool.crowded.Load() {
		l.pool.send(func() {}) // its time to give way has to be known
	}
}

// makeRoom moves responses that have gone on for long to the streams, if somebody waits.
func (p *Pool) makeRoom() {
	p.crowded.Store(len(p.queue) > 0)
	if len(p.queue) == 0 {
		return
	}
	for l := range p.leases {
		if at := p.streamsAt(l); !at.IsZero() && time.Until(at) <= 0 && p.streams < p.limits.Streams {
			l.streams = true
			p.slots--
			p.streams++
		}
	}
}

// streamsAt returns when a response is one that has gone on for long; zero if it is none
// that could be.
func (p *Pool) streamsAt(l *Lease) time.Time {
	if l.streams || !l.responding.Load() {
		return time.Time{}
	}
	return l.began.Add(p.limits.StreamAfter)
}

// nextStream returns when the next response may become a stream; zero if none will, or
// nobody waits for that.
func (p *Pool) nextStream() (next time.Time) {
	if len(p.queue) == 0 || p.streams >= p.limits.Streams {
		return time.Time{}
	}
	for l := range p.leases {
		if at := p.streamsAt(l); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}
