package pool

import "time"

// What a pool knows of its sources, and what follows for its servers. All of it
// runs in run.

// quietTime is how long sources must be unchanged before a server that still
// serves is replaced: an editor may not have written all of them. Where the old
// code must not be served, nobody waits.
const quietTime = 200 * time.Millisecond

// look compares the sources with their signatures, because something has
// happened near them. A difference begins a new version.
func (p *Pool) look() {
	if seen := p.sources.Load(); p.limits.Reload != Off && seen != nil && !seen.same() {
		p.version++
		p.backoff.clear()
		p.replaceAt = time.Now().Add(quietTime)
		p.readSources()
	}
}

// readSources takes the signatures of the sources as they are.
func (p *Pool) readSources() {
	seen := takeSources(append([]string{p.script}, p.spec.Sources...))
	p.sources.Store(seen)
	if p.limits.Reload != Off {
		p.registry.watch(p, seen)
	}
}

// mayServe reports whether s is fresh enough for l.
func (p *Pool) mayServe(s *server, l *Lease) bool {
	return p.limits.Reload != Strict || s.version >= l.version
}

// outdated reports whether the current server serves until one of the newest
// version is ready.
func (p *Pool) outdated() bool {
	return p.current != nil && p.limits.Reload == Stale && max(p.current.version, p.failedVersion) < p.version
}
