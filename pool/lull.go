package pool

import (
	"sync"
	"time"
)

// A script that is asked for once in a while, always a little after its processes have
// gone, would be set up for each request. So who comes back soon after its end stays
// for longer the next time: see longLull. Who then stays away goes as everybody does.

// longLull is how many times the idle timeout a pool stays that has gone too soon, and
// soon, as a part of it, how early it must have come back for that.
const (
	longLull = 2.0
	soon     = 0.5
)

// manyLulls is how many ends are remembered.
const manyLulls = 1024

// lulls remembers which pools have ended because they were idle.
type lulls struct {
	mu    sync.Mutex          // guards what follows
	until map[Ident]time.Time // when it is not soon any more
}

func newLulls() *lulls { return &lulls{until: map[Ident]time.Time{}} }

// ended notes that a pool has gone, after an idle time of so much.
func (m *lulls) ended(i Ident, now time.Time, idle time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.until) >= manyLulls {
		m.purge(now)
	}
	m.until[i] = now.Add(time.Duration(soon * float64(idle)))
}

// purge forgets what would make no difference, or else all.
func (m *lulls) purge(now time.Time) {
	for i, until := range m.until {
		if now.After(until) {
			delete(m.until, i)
		}
	}
	if len(m.until) >= manyLulls {
		clear(m.until)
	}
}

// of returns how many times the idle timeout a pool should stay that is made now.
func (m *lulls) of(i Ident, now time.Time) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	until, ok := m.until[i]
	delete(m.until, i)
	if ok && now.Before(until) {
		return longLull
	}
	return 1
}

// idleTime returns how long the pool stays when nothing is to be done.
func (p *Pool) idleTime() time.Duration {
	if p.limits.IdleTimeout > forever/longLull {
		return p.limits.IdleTimeout
	}
	return time.Duration(p.lull * float64(p.limits.IdleTimeout))
}
