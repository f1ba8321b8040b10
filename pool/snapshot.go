package pool

import (
	"cmp"
	"slices"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// A Snapshot is what a pool is like at one moment. It is the caller's.
type Snapshot struct {
	Ident   Ident
	Script  string
	Info    prefork.Info  // of the current server; zero if there is none
	Age     time.Duration // of the current server
	Running int           // executors
	Parked  int           // executors that wait for a request
	Waiting int           // requests that wait, for a server or for a free executor
	Streams int           // executors whose responses have given their slots back
	Tenant  string        // on whose account they are
	Share   int           // processes on that of the pool
	Setup   bool          // one is under way
	Failure string        // why the last setup has failed, or what keeps crashing; empty if nothing has
	RetryIn time.Duration // until it may be started again; 0 if that may be now
	Loaded  []string      // files that setup and executors have loaded, as far as they say

	States map[string]int // how many warm servers are in each state but the last
}

// Snapshot returns all pools as they are now, by script. A pool that ends meanwhile
// is not among them.
func (r *Registry) Snapshot() []Snapshot {
	var all []Snapshot
	for _, p := range r.all() {
		answer := make(chan Snapshot, 1)
		if p.send(func() { answer <- p.snapshot() }) {
			all = append(all, <-answer)
		}
	}
	slices.SortFunc(all, func(a, b Snapshot) int {
		return cmp.Or(cmp.Compare(a.Script, b.Script), slices.Compare(a.Ident[:], b.Ident[:]))
	})
	return all
}

// A BudgetStatus is how much of the budget is in use. It is the caller's.
type BudgetStatus struct {
	Budget                  // what there may be
	Used     Budget         // what there is
	Waiting  int            // pools that wait for some
	ByTenant map[string]int // processes
}

// Budget returns how much of the budget is in use now.
func (r *Registry) Budget() BudgetStatus {
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	s := BudgetStatus{Budget: l.budget, Used: Budget{l.used, l.memory}, Waiting: len(l.waiting), ByTenant: map[string]int{}}
	for name, t := range l.tenants {
		s.ByTenant[name] = t.used
	}
	return s
}

// snapshot is executed by send.
func (p *Pool) snapshot() Snapshot {
	s := Snapshot{
		Ident: p.ident, Script: p.script,
		Running: len(p.leases), Waiting: len(p.queue) + len(p.starved),
		Streams: p.streams, Tenant: p.spec.Tenant, Share: p.account.processes(),
		Setup: p.spawning, Failure: p.backoff.reason(), RetryIn: max(0, time.Until(p.backoff.until)), Loaded: slices.Clone(p.loaded),
	}
	s.States = map[string]int{}
	for server := range p.servers {
		if server.proc == nil || server.info.Mode.Warm() {
			s.States[string(server.state)]++
		}
	}
	if p.current != nil {
		s.Info, s.Age = p.current.info, time.Since(p.current.began)
		s.Parked = len(p.current.parked)
	}
	return s
}
