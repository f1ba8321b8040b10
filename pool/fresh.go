package pool

import (
	"os"
	"path/filepath"
	"slices"
	"time"
)

// What a pool knows of its sources, and what follows for its servers. All of it
// is executed by send.

// look compares the sources with their signatures, because something has
// happened near them. It follows them anew where their old watches may be on
// other files by now.
func (p *Pool) look() {
	seen := p.sources.Load()
	if p.limits.Reload == Off || seen == nil {
		return
	}
	fresh := seen.fresh()
	if fresh && seen.torn() {
		p.registry.watch(p, seen)
		fresh = seen.fresh()
	}
	if !fresh {
		p.changed(seen)
	}
}

// changed begins a new version, because files are no longer as they were seen.
// If something else has been seen since, it has begun already.
func (p *Pool) changed(seen *sources) {
	if p.sources.Load() == seen {
		p.outdate()
		p.readSources()
	}
}

// outdate begins a new version.
func (p *Pool) outdate() {
	p.version++
	p.backoff.clear()
	p.putOff(time.Now())
}

// putOff has the replacement of a server that still serves wait for the files to be
// quiet, but not for ever.
func (p *Pool) putOff(now time.Time) {
	if p.unrest.IsZero() {
		p.unrest = now
	}
	p.replaceAt = now.Add(quietTime)
	if latest := p.unrest.Add(maxUnrest); latest.Before(p.replaceAt) {
		p.replaceAt = latest
	}
}

// readSources takes the signatures of the sources as they are.
func (p *Pool) readSources() {
	p.follow(takeSources(append([]string{p.script}, p.watched...)).with(p.loaded, p.missed))
}

// follow makes seen the sources.
func (p *Pool) follow(seen *sources) {
	p.sources.Store(seen)
	if p.limits.Reload != Off {
		p.registry.watch(p, seen)
	}
}

// maxLoaded is how many loaded files are sources: each costs every request a look.
const maxLoaded = 4096

// heard notes files that a server, or an executor of it, has loaded.
//
// What an executor has loaded is read by the next one anyway; it is a source so that
// a server does not go on that knows an older one. A file that has come into
// being since the server has is not among those: programs write such, load them, and
// delete them.
func (p *Pool) heard(s *server, files []string) {
	room := maxLoaded - len(s.loaded)
	files = slices.DeleteFunc(slices.Clone(files), func(file string) bool {
		return !filepath.IsAbs(file) || s.state != spawning && !sign(file, false).before(s.began)
	})
	files = files[:min(len(files), max(room, 0))]
	s.loaded = append(s.loaded, files...)
	if s.state != spawning && s.version == p.version && len(files) > 0 {
		p.loaded = append(p.loaded, files...)
		p.follow(p.sources.Load().with(files, nil))
	}
}

// miss notes paths where s would have loaded other files: in its setup, or later, when it learns
// what executors load. What an executor has loaded, the next one looks for anew.
func (s *server) miss(paths []string) {
	paths = slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		return !filepath.IsAbs(path) || slices.Contains(s.missed, path)
	})
	paths = paths[:min(len(paths), maxLoaded-len(s.missed))]
	s.missed = append(s.missed, paths...)
	if p := s.pool; s.state != spawning && s.version == p.version {
		p.missed = s.missed
		p.follow(p.sources.Load().with(nil, paths))
		// The server has loaded another by now; what is there may have come before or after.
		if slices.ContainsFunc(paths, func(path string) bool { _, err := os.Lstat(path); return err == nil }) {
			p.changed(p.sources.Load())
		}
	}
}

// maxDoubts is how many setups in a row may be made in vain because of a file that
// may have changed meanwhile. A script that writes modules and loads them has such
// a file each time.
const maxDoubts = 2

// adopt makes what a setup has loaded sources. Of those that were none before
// nobody has a signature from before setup. One that has not changed since then
// is as it was loaded; with another nobody can tell, so there is a new version,
// for all that wait too: their requests may have come after the change.
func (p *Pool) adopt(s *server) {
	if s.state == gone { // it has failed, perhaps before it loaded all it would
		p.loaded = append(p.loaded, s.loaded...)
	} else {
		p.loaded, p.missed = slices.Clone(s.loaded), s.missed
	}
	slices.Sort(p.loaded)
	p.loaded = slices.Compact(p.loaded)
	if s.version != p.version || len(s.loaded)+len(s.missed) == 0 {
		return
	}
	seen := p.sources.Load().with(s.loaded, s.missed)
	if p.limits.Reload == Off || p.doubts == maxDoubts || !seen.changedAfter(p.sources.Load(), s.began) {
		p.doubts = 0
		p.follow(seen)
		return
	}
	p.doubts++
	p.outdate()
	p.readSources()
	for _, l := range slices.Concat(p.starved, p.queue) {
		l.version = p.version
	}
}

// addWatched notes sources that a request has named, and reports whether one is
// new. None is forgotten while the pool lives: two handlers that share it may name
// different ones.
func (p *Pool) addWatched(paths []string) (added bool) {
	for _, path := range paths {
		if !slices.Contains(p.watched, path) {
			p.watched = append(slices.Clone(p.watched), path)
			added = true
		}
	}
	return added
}

// lookAnew takes up more sources, or another policy. What a server was made from
// is known of those before: they must be unchanged, and nobody can say that of one
// that was not among them, nor of modules that a library was told not to look at.
// The new signatures are taken first, so that no change falls between the looks.
func (p *Pool) lookAnew(added bool) {
	seen := p.sources.Load()
	p.readSources()
	if added || p.thaws() || !seen.same() {
		p.outdate()
	}
}

// thaws reports whether a frozen server would have to be strict.
func (p *Pool) thaws() bool {
	for s := range p.servers {
		if s.frozen && s.version == p.version && p.limits.Reload == Strict {
			return true
		}
	}
	return false
}

// mayServe reports whether s is fresh enough for l.
func (p *Pool) mayServe(s *server, l *Lease) bool {
	return p.limits.Reload != Strict || s.version >= l.version
}

// old reports whether s may serve nobody who comes now.
func (p *Pool) old(s *server) bool {
	return p.limits.Reload == Strict && s.version < p.version
}

// settled notes that a new server is about to serve, and reports whether it may.
// Where an older one serves meanwhile, a file that has changed since setup began
// may have been half written when it was read: that server serves on, until the
// files are quiet or have not been for long.
func (p *Pool) settled(s *server) bool {
	now := time.Now()
	if p.limits.Reload == Stale {
		p.look()
		if p.current != nil && s.version < p.version && now.Sub(p.unrest) < maxUnrest {
			return false
		}
	}
	p.unrest = time.Time{}
	if s.version < p.version {
		p.putOff(now)
	}
	return true
}

// outdated reports whether the current server serves until one of the newest
// version is ready.
func (p *Pool) outdated() bool {
	return p.current != nil && !p.closing && p.limits.Reload == Stale && max(p.current.version, p.failedVersion) < p.version
}
