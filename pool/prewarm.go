package pool

import (
	"context"
	"time"
)

// Prewarm has the pool of spec set up ahead of its first request, on behalf of g,
// unless there is one already, or the budget has no room for it. It returns when
// setup is over, or ctx is done; then setup goes on by itself. How it ends is an
// event and nothing else: of one that has failed nothing is left, and the first
// request tries it anew.
func (r *Registry) Prewarm(ctx context.Context, g *Generation, spec Spec) {
	p, _, err := r.pool(g, spec)
	if err != nil {
		return
	}
	over := make(chan struct{})
	if !p.send(func() { p.prewarm(over) }) {
		return // it was another's, and has just ended
	}
	select {
	case <-over:
	case <-ctx.Done():
	}
}

// ---- what follows is executed by send ----

// prewarm starts the first setup before a request has come. over is closed when it
// has ended.
func (p *Pool) prewarm(over chan struct{}) {
	if p.asked || p.closing {
		close(over) // what the pool was made for has come before
		return
	}
	p.asked, p.unused = true, true
	room := p.account.take(wish{ahead, 1, p.worth.bytes})
	if room == nil { // others have all that there may be
		close(over)
		return
	}
	p.prewarmed = over
	p.launch(time.Now(), room)
}

// setupOver tells who has prewarmed the pool that its setup has ended.
func (p *Pool) setupOver() {
	if p.prewarmed != nil {
		close(p.prewarmed)
		p.prewarmed = nil
	}
}
