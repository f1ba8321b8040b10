package pool

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// A Generation is one loaded configuration, as the registry sees it. Its maker
// owns it; Enter and Leave are called once each, in that order, or Leave alone
// when the configuration never started.
type Generation struct {
	// Covers reports whether the configuration wants a pool with this spec, and
	// with which limits and sources.
	Covers func(Spec) (Spec, bool)

	// Budget bounds all pools while this is the newest generation.
	Budget Budget

	// Observe is told of what happens while this is the newest generation.
	Observe Observer

	left bool // guarded by the registry's mutex
}

// A Registry holds all pools of the program. It is nothing but memory while no
// pool exists.
type Registry struct {
	launcher prefork.Launcher
	watcher  *watcher
	ledger   *ledger
	lulls    *lulls
	jitter   func() float64 // from 0 to 1; see backoff

	mu          sync.Mutex
	generations []*Generation // that have entered and not left, oldest first
	pools       map[Ident]*Pool
	closed      bool
}

// NewRegistry returns an empty registry whose processes launcher starts.
func NewRegistry(launcher prefork.Launcher) *Registry {
	return &Registry{
		launcher: launcher, watcher: newWatcher(), ledger: newLedger(), lulls: newLulls(), jitter: rand.Float64, pools: map[Ident]*Pool{},
	}
}

// Enter makes g the newest generation. Pools that it covers keep their processes
// and take its limits.
func (r *Registry) Enter(g *Generation) {
	r.mu.Lock()
	r.generations = append(r.generations, g)
	r.mu.Unlock()
	r.reconsider()
}

// Leave takes g out. Pools that no generation covers any more finish what they
// do and end.
func (r *Registry) Leave(g *Generation) {
	r.mu.Lock()
	g.left = true
	r.generations = slices.DeleteFunc(r.generations, func(other *Generation) bool { return other == g })
	r.mu.Unlock()
	r.reconsider()
}

// reconsider tells every pool what the generations think of it now.
func (r *Registry) reconsider() {
	r.mu.Lock()
	if n := len(r.generations); n > 0 {
		r.ledger.set(r.generations[n-1].Budget)
	}
	r.mu.Unlock()
	for _, p := range r.all() {
		p.send(func() {
			r.mu.Lock()
			spec, wanted := r.covered(p.spec)
			r.mu.Unlock()
			if wanted {
				p.configure(spec)
			}
			p.want(wanted)
		})
	}
}

// covered asks the generations, the newest first, for a pool's spec. It is
// called with the mutex held.
func (r *Registry) covered(spec Spec) (Spec, bool) {
	for _, g := range slices.Backward(r.generations) {
		if wanted, ok := g.Covers(spec); ok {
			return wanted, true
		}
	}
	return spec, false
}

// Acquire returns a lease on a process for spec, on behalf of a request that g
// handles. It waits for setup and for a free executor; see [Limits]. The lease
// is the caller's.
//
// Errors: [ErrQueueFull], [ErrQueueTimeout], [ErrClosed], *[BackoffError], what
// the launcher returned, or the context's.
func (r *Registry) Acquire(ctx context.Context, g *Generation, spec Spec) (*Lease, error) {
	for {
		p, newest, err := r.pool(g, spec)
		if err != nil {
			return nil, err
		}
		// The pool may end in just this moment; then the next one is new.
		if lease, ok, err := p.acquire(ctx, spec, newest); ok {
			return lease, err
		}
	}
}

// Full returns the error that [Registry.Acquire] would return at once for want of a place in the
// queue; nil if it would not. It is for who would have work to do before.
func (r *Registry) Full(spec Spec) (err error) {
	r.mu.Lock()
	p := r.pools[spec.Ident()]
	r.mu.Unlock()
	if p != nil {
		p.send(func() {
			if p.isFull() {
				err = p.overload(ErrQueueFull)
			}
		})
	}
	return err
}

// pool returns the pool of spec, making it if there is none, and whether g may
// change its limits.
func (r *Registry) pool(g *Generation, spec Spec) (p *Pool, newest bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, false, ErrClosed
	}
	// A server may serve before its configuration has entered.
	newest = !g.left && (len(r.generations) == 0 || r.generations[len(r.generations)-1] == g)
	p = r.pools[spec.Ident()]
	if p == nil {
		wanted := !g.left
		if !wanted {
			_, wanted = r.covered(spec)
		}
		p = newPool(r, spec, wanted)
		r.pools[p.ident] = p
	}
	return p, newest, nil
}

// forget takes out a pool that is ending.
func (r *Registry) forget(p *Pool) {
	r.watcher.leave(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pools, p.ident)
}

func (r *Registry) all() []*Pool {
	r.mu.Lock()
	defer r.mu.Unlock()
	pools := make([]*Pool, 0, len(r.pools))
	for _, p := range r.pools {
		pools = append(pools, p)
	}
	return pools
}

// watch has p told of changes near its sources.
func (r *Registry) watch(p *Pool, seen *sources) {
	if err := r.watcher.follow(p, seen); err != nil {
		p.observe(Event{Kind: WatchFailed, Err: err})
	}
}

// observe tells the newest generation.
func (r *Registry) observe(e Event) {
	r.mu.Lock()
	var observe Observer
	if n := len(r.generations); n > 0 {
		observe = r.generations[n-1].Observe
	}
	r.mu.Unlock()
	if observe != nil {
		observe(e)
	}
}

// killWait is how long Close waits for what it has killed. Only a process that
// the kernel cannot end takes longer, and waiting would not help it.
const killWait = time.Second

// Close ends everything: no lease is given any more, executors are interrupted,
// servers asked to end. When ctx is done, what is left is killed. It returns
// when all processes are gone.
func (r *Registry) Close(ctx context.Context) {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	pools := r.all() // and no more will be
	for _, p := range pools {
		p.send(p.shut)
	}
	if awaitAll(ctx, pools) {
		return
	}
	for _, p := range pools {
		p.send(p.kill)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killWait)
	defer cancel()
	awaitAll(ctx, pools)
}

// awaitAll reports whether all pools have ended before ctx is done.
func awaitAll(ctx context.Context, pools []*Pool) bool {
	for _, p := range pools {
		select {
		case <-p.done:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
