package pool

import "sync/atomic"

// A trail is a pool's watches on one version of its sources: on every folder that
// leads to one, on each symbolic link, and on the files. The mutex of the watcher
// guards it. It ends when the pool follows other sources.
type trail struct {
	watcher *watcher
	pool    *Pool
	steps   map[string]step // by path
	blind   bool            // something cannot be watched, so only signatures tell
	torn    bool            // paths lead elsewhere now, so the watches may be on the wrong files
	noted   uint64
	vouched uint64 // what was noted before the sources were last found the same

	told atomic.Bool // the pool is about to look
}

// A step is one spot of a trail, and the watch that is on it.
type step struct {
	watch int
	spot  *spot
}

// disturb notes that something has happened and has the pool look.
func (t *trail) disturb(moved bool) {
	t.noted++
	t.torn = t.torn || moved
	t.tell()
}

// tell has the pool look, unless it is about to.
func (t *trail) tell() {
	if !t.told.CompareAndSwap(false, true) {
		return
	}
	go t.pool.send(func() { // until the pool has taken it, or has ended
		t.told.Store(false)
		t.pool.look()
	})
}

// ask reports whether nothing has happened since somebody has vouched for the
// sources, and otherwise what has been noted before any look that follows.
func (t *trail) ask() (noted uint64, quiet bool) {
	t.watcher.mu.Lock()
	defer t.watcher.mu.Unlock()
	t.watcher.read()
	return t.noted, t.noted == t.vouched && !t.blind && !t.torn
}

// vouch says that the sources were the same after so much had been noted. A torn
// trail needs more than that, and the pool is told.
func (t *trail) vouch(noted uint64) {
	t.watcher.mu.Lock()
	defer t.watcher.mu.Unlock()
	t.vouched = max(t.vouched, noted)
	if t.torn {
		t.tell()
	}
}

// fresh reports whether all sources are what they were. It looks at them only if
// the kernel cannot say so.
func (s *sources) fresh() bool {
	t := s.trail.Load()
	if t == nil {
		return s.same()
	}
	noted, quiet := t.ask()
	if quiet {
		return true
	}
	if !s.same() {
		return false
	}
	t.vouch(noted)
	return true
}

// torn reports whether the sources must be followed anew.
func (s *sources) torn() bool {
	t := s.trail.Load()
	if t == nil {
		return false
	}
	t.watcher.mu.Lock()
	defer t.watcher.mu.Unlock()
	return t.torn
}
