package pool

import (
	"cmp"
	"slices"
	"sync"
)

// A Budget bounds what all pools of the program have together. A zero field is no bound.
type Budget struct {
	// Processes is how many there may be at once: servers, setups and executors,
	// parked or not, until they have been reaped. Less than 4 makes no sense: a script
	// with Debian's library needs 3 for one request.
	Processes int

	// Memory is how many bytes they may need together: of a server what it has for
	// itself, of an executor what earlier ones of its pool have needed beside that.
	Memory int64
}

// A ledger knows who has how much of the budget, and who waits for some.
//
//	pool ── take ──▶ there is room: a share, until its process has been reaped
//	             └─▶ there is none: the pool waits, and others are asked to yield
//	     ◀── poke ── room has come, and is kept for this pool
//
// Room goes to the tenant that has least for its weight, and within a tenant to the pool
// that has waited longest. Executors that are parked yield first, then servers that
// have nothing to do, and of both first those of the least useful pool. The last
// places are kept for executors that somebody waits for: so servers that
// fill the budget do not wait for each other.
//
// Pools call the ledger while they execute a message, so it calls a pool only by a
// goroutine that holds nothing.
type ledger struct {
	mu       sync.Mutex // guards what follows, and what tenants, accounts and shares say
	budget   Budget
	used     int   // processes
	memory   int64 // bytes
	urgent   int   // processes that somebody waits for, or has waited for
	tenants  map[string]*tenant
	accounts map[*account]struct{}
	waiting  []*account // first come first
	yielding int        // shares that have been asked for, and not been given back
}

// A tenant is who shares the budget with others: a site, or a user.
type tenant struct {
	name     string
	weight   int
	used     int // processes
	accounts int
}

// A need is what a pool wants a process for.
type need int

const (
	ahead  need = iota // an executor that nobody waits for
	setup              // a server
	urgent             // an executor that somebody waits for
)

// lastPlaces are kept for executors that somebody waits for: as many as one needs.
const lastPlaces = 2

func newLedger() *ledger {
	return &ledger{tenants: map[string]*tenant{}, accounts: map[*account]struct{}{}}
}

// set changes the budget. What is too much already yields, or goes when it ends.
func (l *ledger) set(b Budget) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budget = b
	l.distribute()
}

// ---- what follows is called with the mutex held ----

// fits reports whether there is room. Whatever the budget of memory says, one
// server and one executor may always be.
func (l *ledger) fits(w wish) bool {
	places := l.budget.Processes
	if w.need != urgent {
		places -= lastPlaces
	}
	if l.budget.Processes > 0 && l.used+w.processes > places {
		return false
	}
	alone := w.need == urgent && l.urgent == 0 || w.need == setup && l.used == 0
	return l.budget.Memory == 0 || alone || l.memory+w.memory <= l.budget.Memory
}

// book notes that an account has what it has wished for.
func (l *ledger) book(a *account, w wish) *share {
	s := &share{account: a, wish: w}
	l.count(s, 1)
	return s
}

// count adds a share to the books, or with -1 takes it out.
func (l *ledger) count(s *share, sign int) {
	l.used += sign * s.processes
	l.memory += int64(sign) * s.memory
	s.account.used += sign * s.processes
	s.account.tenant.used += sign * s.processes
	if s.need == urgent {
		l.urgent += sign * s.processes
	}
}

// distribute gives what room there is to those who wait, and asks for what is missing.
func (l *ledger) distribute() {
	for a := l.next(); a != nil; a = l.next() {
		l.forget(a)
		a.kept = l.book(a, a.wish)
		go a.poke() // until the pool has taken it, or does not want it
	}
	for l.yielding < max(len(l.waiting), l.excess()) {
		a := l.leastUseful()
		if a == nil {
			return
		}
		l.yielding++
		a.spare.Store(nothing) // until the pool says more
		go a.yield()           // until it has
	}
}

// next returns who is to have room now; nil if nobody is. Who has least is first, and room is kept
// until there is as much as that one needs: others would take each place that becomes free. They
// may only if no executor is left that could make room by its end.
func (l *ledger) next() (first *account) {
	for _, a := range l.waiting {
		if l.urgent == 0 && !l.fits(a.wish) {
			continue
		}
		if first == nil || a.tenant.used*first.tenant.weight < first.tenant.used*a.tenant.weight {
			first = a
		}
	}
	if first != nil && !l.fits(first.wish) {
		return nil
	}
	return first
}

// forget takes an account out of those who wait.
func (l *ledger) forget(a *account) {
	if i := slices.Index(l.waiting, a); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
}

// excess returns how many processes there are too many.
func (l *ledger) excess() int {
	switch {
	case l.budget.Processes > 0 && l.used > l.budget.Processes:
		return l.used - l.budget.Processes
	case l.budget.Memory > 0 && l.memory > l.budget.Memory:
		return 1 // and another one if that is not enough
	}
	return 0
}

// leastUseful returns who is to yield next; nil if nobody has anything to spare.
func (l *ledger) leastUseful() (least *account) {
	for a := range l.accounts {
		spare := a.spare.Load()
		if spare == nothing {
			continue
		}
		if least == nil || cmp.Or(cmp.Compare(least.spare.Load(), spare), cmp.Compare(a.worth(), least.worth())) < 0 {
			least = a
		}
	}
	return least
}

// join makes an account one of a tenant's.
func (l *ledger) join(a *account, name string, weight int) {
	t := l.tenants[name]
	if t == nil {
		t = &tenant{name: name}
		l.tenants[name] = t
	}
	t.weight = max(weight, 1)
	t.accounts++
	t.used += a.used
	a.tenant = t
}

// leave takes an account from its tenant.
func (l *ledger) leave(a *account) {
	t := a.tenant
	t.used -= a.used
	if t.accounts--; t.accounts == 0 {
		delete(l.tenants, t.name)
	}
}
