package soak

import (
	"sync"
	"time"
)

// A source is what a response names the version of: a script, a module, or the
// configuration. Whoever changes it calls begin before and end afterwards, and nobody
// else does meanwhile.
type source struct {
	mu    sync.Mutex
	saves []save
	seen  int // newest version that a response has named
}

// A save is one change of a source.
type save struct {
	began, ended time.Time // ended is zero while it is under way
	broken       bool      // no response can come of it
}

// begin notes that a save begins, and returns its version: the first one's is 1.
func (s *source) begin(broken bool) (version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves = append(s.saves, save{began: time.Now(), broken: broken})
	return len(s.saves)
}

// end notes that the last save is complete.
func (s *source) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves[len(s.saves)-1].ended = time.Now()
}

// newest returns the newest version that a response has named.
func (s *source) newest() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// permits reports whether a response that was done at a time may name a version: one
// that had begun by then, that is not older than least, and that is not broken. It
// notes that one has.
func (s *source) permits(version int, done time.Time, least int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version < max(least, 1) || version > len(s.saves) || s.saves[version-1].broken || s.saves[version-1].began.After(done) {
		return false
	}
	s.seen = max(s.seen, version)
	return true
}

// inForce returns the version that was in force at a time: the last that was complete.
func (s *source) inForce(at time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	version := len(s.saves)
	for version > 0 && (s.saves[version-1].ended.IsZero() || s.saves[version-1].ended.After(at)) {
		version--
	}
	return version
}
