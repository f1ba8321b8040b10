package pool

import (
	"math"
	"slices"
	"sync/atomic"
)

// An account is what the ledger knows of a pool. The ledger's mutex guards it, but for
// what the pool's messages write to be looked at.
type account struct {
	ledger *ledger
	pool   *Pool
	tenant *tenant
	used   int    // processes
	wish   wish   // what it waits for
	kept   *share // room that has come, and has not been taken yet

	spare  atomic.Int32  // what the pool could yield
	useful atomic.Uint64 // the bits of worth
}

// A wish is for a process, or the two of protocol v1, and the memory that it will need.
type wish struct {
	need      need
	processes int
	memory    int64
}

// A share is a part of the budget. It is given back when its processes have been reaped.
type share struct {
	account *account
	wish
	yielded bool // it has been asked for
	given   bool // it has been given back
}

// What a pool can spare, in the order of how much it would miss it.
const (
	nothing   int32 = iota
	itsServer       // which has nothing to do
	itsParked
)

// open makes an account for a pool.
func (l *ledger) open(p *Pool, tenant string, weight int) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &account{ledger: l, pool: p}
	l.accounts[a] = struct{}{}
	l.join(a, tenant, weight)
	return a
}

// move makes the account one of a tenant's; a configuration may change that.
func (a *account) move(tenant string, weight int) {
	a.ledger.mu.Lock()
	defer a.ledger.mu.Unlock()
	a.ledger.leave(a)
	a.ledger.join(a, tenant, weight)
}

// close ends the account. Its shares come back later.
func (a *account) close() {
	l := a.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.accounts, a)
	l.forget(a)
	a.drop()
	l.leave(a)
	a.tenant = &tenant{used: a.used} // of its own, until its shares have come back
	l.distribute()
}

// take returns a share, or nil if there is no room. Who does not ask ahead of need waits for
// it then, and is poked; there is one wish at a time, the last.
func (a *account) take(w wish) *share {
	l := a.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.need != ahead {
		if s := a.kept; s != nil && s.need == w.need && s.processes == w.processes {
			a.kept = nil
			return s
		}
		a.drop()
	}
	if len(l.waiting) == 0 && l.fits(w) {
		return l.book(a, w)
	}
	if w.need != ahead {
		a.wish = w
		if !slices.Contains(l.waiting, a) {
			l.waiting = append(l.waiting, a)
		}
		l.distribute()
	}
	return nil
}

// drop gives back room that is kept, and that the pool does not want any more. It is
// called with the ledger's mutex held.
func (a *account) drop() {
	if a.kept != nil {
		a.ledger.count(a.kept, -1)
		a.kept = nil
	}
}

// poke has the pool take what is kept for it.
func (a *account) poke() {
	a.pool.send(func() {})
	a.ledger.mu.Lock()
	defer a.ledger.mu.Unlock()
	if a.kept != nil {
		a.drop()
		a.ledger.distribute()
	}
}

// yield has the pool end something that it can spare.
func (a *account) yield() {
	yields := false
	a.pool.send(func() { yields = a.pool.yield() })
	if yields {
		return // it comes back when its process has been reaped
	}
	a.ledger.mu.Lock()
	defer a.ledger.mu.Unlock()
	a.ledger.yielding--
	a.ledger.distribute()
}

// processes returns how many the pool has.
func (a *account) processes() int {
	a.ledger.mu.Lock()
	defer a.ledger.mu.Unlock()
	return a.used
}

// waits reports whether the pool waits for room.
func (a *account) waits() bool {
	a.ledger.mu.Lock()
	defer a.ledger.mu.Unlock()
	return slices.Contains(a.ledger.waiting, a)
}

// mark notes that a share is about to come back because it was asked for; false if it has come
// back already, since its process was killed.
func (s *share) mark() bool {
	s.account.ledger.mu.Lock()
	defer s.account.ledger.mu.Unlock()
	s.yielded = !s.given
	return s.yielded
}

// resize corrects how much memory the share stands for.
func (s *share) resize(memory int64) {
	l := s.account.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.memory += memory - s.memory
	s.memory = memory
	l.distribute()
}

// give gives the share back.
func (s *share) give() {
	l := s.account.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(s, -1)
	s.given = true
	if s.yielded {
		l.yielding--
	}
	l.distribute()
}

// worth says how much would be missed if the pool ended: more is more.
func (a *account) worth() float64 { return math.Float64frombits(a.useful.Load()) }
