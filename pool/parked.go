package pool

import (
	"slices"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// Executors that are made ahead of need. How many adapts to what comes:
//
//	a request finds none      one more is kept from now on, up to ParkedMax
//	one is not used for long  one less is kept, down to ParkedMin, or to one
//	half the idle timeout     none is kept: they go before the server does
//
// The last that was parked is used first, once it has settled, so those that nobody needs
// are the first of the list, and have waited longest. All of it is executed by send.

// surplusAge is how long an executor waits that others have made superfluous.
const surplusAge = 15 * time.Second

// settling is how long a new executor may be busy with itself: it makes memory its own before
// it waits for a request. One that is asked meanwhile would do that at the request's expense.
const settling = 10 * time.Millisecond

// headStart is for how long the first request of a server that it has waited for shares the
// processors with nothing that is made ahead of need, unless another comes. afterRun is how long
// that goes on when it is over, while its answer is sent.
const (
	headStart = 200 * time.Millisecond
	afterRun  = 20 * time.Millisecond
)

// growthInterval is after how many requests an executor's memory is looked at.
const growthInterval = 16

// An executor is one that the pool has, or had before its request.
type executor struct {
	prefork.Executor           // nil when it has ended
	born, since      time.Time // when it was made, and parked
	requests         int       // that it has had
	memory           int64     // after its first request
	share            *share    // of the budget
}

// expect notes that a request wants an executor.
func (p *Pool) expect() {
	switch {
	case p.current == nil: // it waits for a server, with others
		p.target = max(p.target, len(p.starved)+1)
	case time.Now().Before(p.current.aloneUntil): // none could be there
	case len(p.current.parked) <= len(p.starved):
		p.target++
	}
	p.target = min(p.target, p.limits.ParkedMax)
}

// serve gives executors that are parked to leases that wait for one.
func (p *Pool) serve(s *server) {
	for len(s.parked) > 0 {
		i := slices.IndexFunc(p.starved, func(l *Lease) bool { return p.mayServe(s, l) })
		if i < 0 {
			return
		}
		l := p.starved[i]
		p.starved.remove(l)
		p.grant(l, s, s.takeParked(time.Now()))
	}
}

// takeParked takes the executor that is used next: the last that was parked, of those that
// have settled. While none has, that is the first, which is the nearest to it.
func (s *server) takeParked(now time.Time) *executor {
	i := len(s.parked) - 1
	for i > 0 && !s.parked[i].settled(now) {
		i--
	}
	e := s.parked[i]
	s.parked = slices.Delete(s.parked, i, i+1)
	return e
}

// settled reports whether an executor waits for nothing but a request.
func (e *executor) settled(now time.Time) bool {
	return e.requests > 0 || now.Sub(e.since) >= settling
}

// waitingFor returns how many leases wait for an executor that s may be asked for.
func (p *Pool) waitingFor(s *server) (n int) {
	if s == nil {
		return 0
	}
	for _, l := range p.starved {
		if p.mayServe(s, l) {
			n++
		}
	}
	return n
}

// park has executors made, for those that wait and ahead of need, and dismisses those
// that nobody needs.
func (p *Pool) park(now time.Time) {
	s := p.current
	if s == nil {
		return
	}
	ahead := p.ahead(s, now)
	want := p.waitingFor(s)
	if !p.isAlone(s, now) {
		// In place of those that are about to start none is made until they have.
		want += max(ahead-s.starting, 0)
	}
	for s.making+len(s.parked) < want && s.hasRoom() && p.makeExecutor(s) {
	}
	for len(s.parked) > p.atLeast() && now.Sub(s.parked[0].since) >= surplusAge {
		s.dismiss(1)
		p.target = len(s.parked)
	}
	keep := ahead
	if ahead > 0 && p.limits.MaxRequests > 1 {
		keep = p.limits.ParkedMax // they have come back, and will be used again
	}
	s.dismiss(len(s.parked) - keep)
}

// isAlone reports whether s has nobody but the first request that has waited for it, for now.
func (p *Pool) isAlone(s *server, now time.Time) bool {
	return now.Before(s.aloneUntil) && s.leases+p.waitingFor(s) <= 1
}

// ahead returns how many executors should wait for requests that have not come.
func (p *Pool) ahead(s *server, now time.Time) int {
	at := p.quietAt()
	if !s.parks(p.limits) || p.old(s) || p.closing || !at.IsZero() && !now.Before(at) {
		return 0
	}
	target := max(p.target, p.limits.ParkedMin)
	if p.limits.MaxRequests > 1 {
		target -= s.leases + p.waitingFor(s) // those will come back
	}
	return min(max(target, 0), p.limits.ParkedMax)
}

// atLeast is how many stay while the pool is in use.
func (p *Pool) atLeast() int { return max(p.limits.ParkedMin, min(1, p.limits.ParkedMax)) }

// quietAt returns when the pool has been idle for so long that nothing is kept ready;
// zero while it is in use.
func (p *Pool) quietAt() time.Time {
	if p.idleAt.IsZero() || !p.wanted {
		return p.idleAt
	}
	return p.idleAt.Add(-p.idleTime() / 2)
}

// nextDismissal returns when the next executor will have waited for too long; zero if
// none will.
func (p *Pool) nextDismissal() (at time.Time) {
	s := p.current
	if s == nil || len(s.parked) == 0 {
		return time.Time{}
	}
	at = p.quietAt()
	if len(s.parked) > p.atLeast() {
		if surplus := s.parked[0].since.Add(surplusAge); at.IsZero() || surplus.Before(at) {
			at = surplus
		}
	}
	return at
}

// parks reports whether executors of s may wait for a request.
func (s *server) parks(l Limits) bool {
	return s.info.Mode.Warm() && (s.info.Parks || l.ParkV1)
}

// hasRoom reports whether the script allows one more executor at once.
func (s *server) hasRoom() bool {
	return s.info.Limit == 0 || s.leases+len(s.parked)+s.making < s.info.Limit
}

// dismiss ends the n executors that have been parked longest.
func (s *server) dismiss(n int) {
	for range n {
		s.parked[0].Dismiss()
		s.parked = slices.Delete(s.parked, 0, 1)
	}
}

// reuse takes an executor back that has had a request.
func (p *Pool) reuse(s *server, e *executor) {
	if e.Executor == nil {
		return
	}
	e.requests++
	e.since = time.Now()
	if s != p.current || e.since.Sub(e.born) >= p.limits.MaxAge || p.hasGrown(e) {
		e.Dismiss()
		return
	}
	s.parked = append(s.parked, e)
}

// hasGrown reports whether an executor needs too much more memory than after its first
// request.
func (p *Pool) hasGrown(e *executor) bool {
	switch {
	case p.limits.MaxGrowth < 0:
		return false
	case e.requests == 1:
		e.memory = e.Memory()
	case e.requests%growthInterval == 0:
		return e.Memory()-e.memory > p.limits.MaxGrowth
	}
	return false
}
