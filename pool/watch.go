package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
)

// A watcher knows for every pool whether anything has happened near its sources.
//
// The kernel queues an event before the call that changed a file returns. So
// whoever has emptied the queue knows of every change that was made before, and
// a request that finds nothing noted for its pool need not look at any file. The
// events only ever prove that nothing has happened; what has happened is told by
// signatures. See docs/adr/0007-the-door-asks-the-kernel.md.
type watcher struct {
	// newInotify asks the kernel for a queue; tests have it fail.
	newInotify func() (*inotify, error)

	mu      sync.Mutex
	events  *inotify         // nil while nobody watches
	trails  map[*Pool]*trail // one for each pool that watches
	watches map[int]subject  // by the number that the kernel gave
}

// A subject is what one watch is about, a file or a folder, with those who want
// to know when something happens to a name in it. Two names cannot be in a
// folder: itself is for what happens to the subject, every for all names in it.
type subject map[string][]*trail

const (
	itself = ""
	every  = "/"
)

// An event is what the kernel says of a subject, or of everything.
type event struct {
	watch int
	name  []byte // in the folder; empty if it is about the subject
	moved bool   // a path may lead to something else now
	lost  bool   // anything may have happened
	mount bool   // something has been mounted, or is no longer
}

func newWatcher() *watcher {
	return &watcher{newInotify: newInotify, trails: map[*Pool]*trail{}, watches: map[int]subject{}}
}

// follow watches seen for p, instead of what p followed before. Folders come
// before what is in them: what is moved meanwhile is noted by a watch that is
// there already. Nothing vouches for the sources until they have been compared
// once more, since they may have changed before they were watched.
//
// It returns why something cannot be watched, unless that was so before.
func (w *watcher) follow(p *Pool, seen *sources) error {
	t := &trail{watcher: w, pool: p, steps: map[string]step{}, noted: 1}
	spots := seen.spots()
	events, old, failed := w.begin(t, spots)
	if failed == nil {
		failed = w.watchAll(events, t, spots)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t.blind = failed != nil
	seen.trail.Store(t)
	if old != nil {
		w.drop(old)
		if old.blind {
			return nil
		}
	}
	return failed
}

// begin puts t in the place of the pool's old trail. As long as nothing has been
// moved, what that has watched is watched for t too, as it is. The old one stays
// until t is complete, so that no watch is taken away that t wants.
func (w *watcher) begin(t *trail, spots []*spot) (events *inotify, old *trail, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read() // what is in the queue is no news for t
	old = w.trails[t.pool]
	w.trails[t.pool] = t
	if w.events == nil {
		if w.events, err = w.newInotify(); err != nil {
			return nil, old, err
		}
		go w.events.wait(w.wake) // until nobody watches
	}
	if old != nil && !old.torn {
		for _, s := range spots {
			if was, ok := old.steps[s.path]; ok && was.spot.folder == s.folder && was.spot.file == s.file {
				w.enter(t, was.watch, s)
			}
		}
		old.torn = true // a request may still ask it, and from now on not all is noted
	}
	return w.events, old, nil
}

// watchAll adds those spots to a trail that are not in it. What does not exist
// needs no watch: that it comes into being is an event of the folder that it will
// be in.
func (w *watcher) watchAll(events *inotify, t *trail, spots []*spot) (failed error) {
	for _, s := range spots {
		if _, ok := t.steps[s.path]; ok {
			continue
		}
		if err := w.watch(events, t, s); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = fmt.Errorf("cannot watch %s: %w", s.path, err)
		}
	}
	return failed
}

// watch adds one spot to a trail. That it is on a file system which answers at
// once is known before the mutex is taken: other pools' requests wait for it.
func (w *watcher) watch(events *inotify, t *trail, s *spot) error {
	if err := events.check(s.path); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	watch, err := events.add(s)
	if err == nil {
		w.enter(t, watch, s)
	}
	return err
}

// enter has t told of what happens at a spot that is watched.
func (w *watcher) enter(t *trail, watch int, s *spot) {
	if w.watches[watch] == nil {
		w.watches[watch] = subject{}
	}
	for _, name := range s.names {
		w.watches[watch][name] = append(w.watches[watch][name], t)
	}
	t.steps[s.path] = step{watch, s}
}

// leave ends what follow began.
func (w *watcher) leave(p *Pool) {
	w.mu.Lock()
	if t := w.trails[p]; t != nil {
		delete(w.trails, p)
		w.drop(t)
	}
	var last *inotify
	if len(w.trails) == 0 {
		last, w.events = w.events, nil
		clear(w.watches)
	}
	w.mu.Unlock()
	if last != nil {
		last.close() // waits for wake, which wants the mutex
	}
}

// drop takes a trail's watches away.
func (w *watcher) drop(t *trail) {
	for _, s := range t.steps {
		here := w.watches[s.watch]
		for _, name := range s.spot.names {
			i := slices.Index(here[name], t)
			here[name] = slices.Delete(here[name], i, i+1)
			if len(here[name]) == 0 {
				delete(here, name)
			}
		}
		if len(here) == 0 {
			delete(w.watches, s.watch)
			w.events.remove(s.watch) // unless it has ended with its file
		}
	}
}

// wake notes what has happened though nobody asks.
func (w *watcher) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read()
}

// read notes all that has happened up to now. It is called with the mutex held.
func (w *watcher) read() {
	if w.events != nil {
		w.events.read(w.note)
	}
}

// note passes one event on to those whom it concerns. It is called with the mutex
// held, for every name that comes and goes in a folder such as /tmp.
func (w *watcher) note(e event) {
	if e.lost || e.mount {
		w.noteAll(e)
		return
	}
	here := w.watches[e.watch]
	for _, t := range here[string(e.name)] {
		t.disturb(e.moved)
	}
	if len(e.name) > 0 {
		for _, t := range here[every] {
			t.disturb(e.moved)
		}
	}
}

// noteAll notes an event that concerns everybody. After a mount a pool looks when
// it is next asked for: where containers start, something is mounted all the time.
func (w *watcher) noteAll(e event) {
	for _, t := range w.trails {
		t.torn = true
		if e.lost {
			t.disturb(true)
		}
	}
}
