package caddymod

import (
	"container/list"
	"sync"
	"time"
)

// A rota calls functions, each so long after it was added; mostly they are taken off before.
// One timer serves all of them, and is left alone when they change: a timer of each
// would wake a thread of the runtime's each time that one is set.
type rota struct {
	delay time.Duration

	mu    sync.Mutex // guards what follows
	turns list.List  // of *turn, in the order in which they are due
	timer *time.Timer
	armed bool
}

// A turn is one function on a rota.
type turn struct {
	rota *rota
	due  time.Time
	f    func()
	at   *list.Element // nil when it is not on the rota any more
}

// add has f called after the rota's delay, in a goroutine of the rota's: it must not block.
func (r *rota) add(f func()) *turn {
	t := &turn{rota: r, due: time.Now().Add(r.delay), f: f}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.at = r.turns.PushBack(t)
	if !r.armed {
		r.arm(r.delay)
	}
	return t
}

// stop takes a function off, and reports whether it has not been called and will not be.
func (t *turn) stop() bool {
	t.rota.mu.Lock()
	defer t.rota.mu.Unlock()
	if t.at == nil {
		return false
	}
	t.rota.turns.Remove(t.at)
	t.at = nil
	return true
}

// arm is called with the mutex held.
func (r *rota) arm(wait time.Duration) {
	r.armed = true
	if r.timer == nil {
		r.timer = time.AfterFunc(wait, r.call)
		return
	}
	r.timer.Reset(wait)
}

// call calls what is due. While nothing is on the rota the timer is not set again.
func (r *rota) call() {
	for {
		f := r.next()
		if f == nil {
			return
		}
		f()
	}
}

// next takes off the first that is due.
func (r *rota) next() func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.turns.Front()
	if first == nil {
		r.armed = false
		return nil
	}
	t := first.Value.(*turn)
	if wait := time.Until(t.due); wait > 0 {
		r.arm(wait)
		return nil
	}
	r.turns.Remove(first)
	t.at = nil
	return t.f
}
