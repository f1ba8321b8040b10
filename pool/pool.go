package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Pool is the server, executors and queue of one ident. The registry makes it
// at the first request and forgets it when it has been idle.
type Pool struct {
	ident    Ident
	script   string
	registry *Registry
	done     chan struct{} // closed when the pool has ended

	// sources is what the files were when the newest version began; requests
	// compare it with what they are. Nil before the first version.
	sources atomic.Pointer[sources]

	mu sync.Mutex // held while a message is executed

	// ---- guarded by mu: what follows belongs to messages ----
	timer         *time.Timer // fires at the next deadline, or before
	armed         time.Time   // when; zero when it will not
	spec          Spec
	watched       []string // sources beside the script that any request has named
	loaded        []string // files that the newest server, or an executor of it, has loaded
	missed        []string // where other files would have been loaded
	doubts        int      // setups in a row of which nobody knows whether they are fresh
	limits        Limits
	wanted        bool     // by some generation
	asked         bool     // what it was made for has come: a request, or the order to prewarm it
	unused        bool     // it has been prewarmed, and no request has come yet
	account       *account // its part of the budget
	worth         worth
	ended         bool
	version       int       // counts changes of the sources
	failedVersion int       // newest version whose setup has failed
	triedVersion  int       // newest version of which there was a setup
	unrest        time.Time // since when changes put off a replacement; zero if none is due
	replaceAt     time.Time // when an outdated server is to be replaced
	pace          pace      // of setups because of changes
	backoff       backoff
	current       *server              // takes new leases; nil when none is ready
	servers       map[*server]struct{} // all that are not gone
	spawning      bool                 // one of them is in setup
	renew         bool                 // the current server is to be replaced: somebody has asked for it
	prewarmed     chan struct{}        // closed when that has ended; nil unless somebody waits for it
	slots         int                  // leases that are starved or granted
	queue         queue                // leases without a slot
	starved       queue                // leases with a slot that wait for an executor
	target        int                  // how many executors should be parked
	orders        []order              // executors to be made after this message
	leases        map[*Lease]struct{}  // granted
	idleAt        time.Time            // when to end; zero while something is to be done
	resting       bool                 // that time has come
	closing       bool                 // the program is ending: nothing new
	streams       int                  // leases that are granted, and have given their slot back
	crowded       atomic.Bool          // somebody waits for a slot
	usual         usual
	lull          float64 // how many times the idle timeout it stays
}

func newPool(r *Registry, spec Spec, wanted bool) *Pool {
	p := &Pool{
		ident:    spec.Ident(),
		script:   spec.Command.Script,
		registry: r,
		done:     make(chan struct{}),
		spec:     spec,
		watched:  spec.Sources,
		limits:   spec.Limits.WithDefaults(),
		wanted:   wanted,
		servers:  map[*server]struct{}{},
		leases:   map[*Lease]struct{}{},
		lull:     1,
	}
	p.account = r.ledger.open(p, spec.Tenant, spec.Weight)
	p.timer = time.AfterFunc(forever, func() { p.send(p.deadlineReached) })
	return p
}

// acquire asks for a lease. ok is false when the pool has ended before it heard
// of it; the registry has another then.
func (p *Pool) acquire(ctx context.Context, spec Spec, newest bool) (l *Lease, ok bool, err error) {
	l = &Lease{pool: p, granted: make(chan error, 1), finished: make(chan struct{})}
	seen := p.sources.Load()
	changed := spec.Limits.Reload != Off && seen != nil && !seen.fresh()
	ok = p.ask(func() {
		if changed {
			p.changed(seen)
		}
		if newest {
			p.configure(spec)
		}
		p.arrived(l)
	})
	if !ok {
		return nil, false, nil
	}
	if err := l.await(ctx); err != nil {
		return nil, true, err
	}
	return l, true, nil
}

// ---- what follows is executed by send ----

// configure takes over what a newer configuration says.
func (p *Pool) configure(spec Spec) {
	oldIdle, oldReload := p.limits.IdleTimeout, p.limits.Reload
	if spec.Tenant != p.spec.Tenant || spec.Weight != p.spec.Weight {
		p.account.move(spec.Tenant, spec.Weight)
	}
	p.spec, p.limits = spec, spec.Limits.WithDefaults()
	if p.limits.IdleTimeout != oldIdle {
		p.idleAt = time.Time{} // counted from now
	}
	added := p.addWatched(spec.Sources)
	if p.version > 0 && (added || p.limits.Reload != oldReload) {
		p.lookAnew(added)
	}
}

// want notes whether a configuration wants the pool. One that nobody wants ends
// as soon as nothing is to be done.
func (p *Pool) want(wanted bool) {
	if p.wanted != wanted && !p.closing {
		p.wanted, p.idleAt, p.resting = wanted, time.Time{}, false
	}
}

// settle brings the pool from any state to one where it has to wait for a
// message or its deadline. All decisions are here.
func (p *Pool) settle() {
	p.makeRoom()
	for len(p.queue) > 0 && p.slots < p.limits.MaxConcurrent {
		p.admit(p.queue.pop())
	}
	if s := p.current; s != nil {
		p.serve(s)
		if p.old(s) && p.waitingFor(s) == 0 {
			p.recycle(s, Changed)
		}
	}
	p.launchIfNeeded()
	now := time.Now()
	p.rest(now)
	p.park(now)
	p.account.spare.Store(p.spares())
	for s := range p.servers {
		if s.state == draining && s.leases == 0 {
			s.exit()
		}
	}
}

// fail answers all that wait for a server, or for a slot and then a server, and
// that could have been served by version.
func (p *Pool) fail(err error, version int) {
	of := func(l *Lease) bool {
		return l.version <= version && (p.closing || p.current == nil || !p.mayServe(p.current, l))
	}
	for _, l := range p.starved.take(of) {
		p.slots--
		p.refuse(l, err)
	}
	if p.current != nil {
		return // those in the queue will be served by the older server
	}
	for _, l := range p.queue.take(of) {
		p.refuse(l, err)
	}
}

// rest keeps the time since which nothing was to be done, and when it has been
// long enough takes the server out of service.
func (p *Pool) rest(now time.Time) {
	if !p.asked || p.slots+p.streams > 0 || p.spawning {
		p.idleAt, p.resting = time.Time{}, false
		return
	}
	wait, reason := p.idleTime(), Idle
	switch {
	case !p.wanted:
		wait, reason = 0, Retired
	case p.unused && p.current == nil: // it was prewarmed in vain
		wait = 0
	}
	if p.idleAt.IsZero() {
		p.idleAt = now.Add(wait)
	}
	p.resting = !now.Before(p.idleAt)
	if p.resting && p.current != nil {
		p.recycle(p.current, reason)
	}
}

// over reports whether the pool has nothing left.
func (p *Pool) over() bool { return p.resting && len(p.servers) == 0 }

// untilDeadline returns how long to wait for the next deadline: that of the first in
// the queue, of a setup, of an idle pool, or of an executor that nobody needs.
func (p *Pool) untilDeadline() time.Duration {
	wait := forever
	if len(p.queue) > 0 {
		wait = p.limits.QueueWait - time.Since(p.queue[0].arrived)
	}
	if !p.spawning && len(p.starved) > 0 {
		wait = min(wait, p.limits.QueueWait-time.Since(p.starved[0].since))
	}
	if at := p.nextStream(); !at.IsZero() {
		wait = min(wait, time.Until(at))
	}
	if at, wanted := p.launchAt(); wanted && !p.account.waits() {
		wait = min(wait, time.Until(at))
	}
	if !p.idleAt.IsZero() && !p.resting {
		wait = min(wait, time.Until(p.idleAt))
	}
	if at := p.nextDismissal(); !at.IsZero() {
		wait = min(wait, time.Until(at))
	}
	if s := p.current; s != nil && p.isAlone(s, time.Now()) {
		wait = min(wait, time.Until(s.aloneUntil))
	}
	return max(0, wait)
}

// deadlineReached refuses those in the queue that have waited long enough. The
// end of an idle pool is settle's.
func (p *Pool) deadlineReached() {
	p.armed = time.Time{}
	late := func(l *Lease) bool { return time.Since(l.arrived) >= p.limits.QueueWait }
	for _, l := range p.queue.take(late) {
		p.refuse(l, p.overload(ErrQueueTimeout))
	}
	if p.spawning {
		return // setup has a limit of its own
	}
	// A library may allow fewer executors at once than we do, and so may the budget.
	why := ErrQueueTimeout
	if p.account.waits() {
		why = ErrBudget
	}
	late = func(l *Lease) bool { return time.Since(l.since) >= p.limits.QueueWait }
	for _, l := range p.starved.take(late) {
		p.slots--
		p.refuse(l, p.overload(why))
	}
}

// shut interrupts what runs and refuses what waits: the program is ending.
func (p *Pool) shut() {
	p.want(false)
	p.closing = true
	p.fail(ErrClosed, p.version)
	for _, l := range p.queue.take(func(*Lease) bool { return true }) {
		p.refuse(l, ErrClosed)
	}
	for l := range p.leases {
		l.Interrupt()
	}
	for s := range p.servers {
		s.abort() // a setup; a server ends when its leases have
	}
}

// kill ends all processes at once.
func (p *Pool) kill() {
	for l := range p.leases {
		l.Kill()
	}
	for s := range p.servers {
		if s.proc != nil {
			s.proc.Kill()
		} else {
			s.abort()
		}
	}
}

// observe tells the newest generation.
func (p *Pool) observe(e Event) {
	e.Script, e.Ident = p.script, p.ident
	p.registry.observe(e)
}
