package pool

import (
	"errors"
	"io/fs"
	"slices"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// A watcher is the program's one source of file system events. It watches
// folders, since a file that is replaced takes its own watch along, and tells
// pools to look when something happened to a path that is theirs.
type watcher struct {
	// newNotifier is fsnotify.NewWatcher, or a test's.
	newNotifier func() (*fsnotify.Watcher, error)

	mu       sync.Mutex
	notifier *fsnotify.Watcher // nil while nobody watches
	pools    map[*Pool]*sources
	folders  map[string]int // how many pools watch a folder
}

func newWatcher() *watcher {
	return &watcher{
		newNotifier: fsnotify.NewWatcher,
		pools:       map[*Pool]*sources{},
		folders:     map[string]int{},
	}
}

// follow has p told of changes near seen, instead of what it followed before. It
// returns why some folder cannot be watched; the others are.
func (w *watcher) follow(p *Pool, seen *sources) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.notifier == nil {
		notifier, err := w.newNotifier()
		if err != nil {
			return err
		}
		w.notifier = notifier
		go w.run(notifier) // until nobody watches
	}
	var failed error
	for _, folder := range seen.folders {
		w.folders[folder]++
		// Also when it is watched already: another folder may have its name now.
		// One that does not exist yet is seen at the door when it does.
		if err := w.notifier.Add(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = err
		}
	}
	w.drop(p)
	w.pools[p] = seen
	return failed
}

// leave ends what follow began.
func (w *watcher) leave(p *Pool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(p)
	if len(w.pools) == 0 && w.notifier != nil {
		_ = w.notifier.Close()
		w.notifier = nil
		clear(w.folders)
	}
}

func (w *watcher) drop(p *Pool) {
	seen, ok := w.pools[p]
	if !ok {
		return
	}
	delete(w.pools, p)
	for _, folder := range seen.folders {
		if w.folders[folder]--; w.folders[folder] == 0 {
			delete(w.folders, folder)
			_ = w.notifier.Remove(folder) // it may be gone
		}
	}
}

// run passes events on.
func (w *watcher) run(notifier *fsnotify.Watcher) {
	for {
		select {
		case event, ok := <-notifier.Events:
			if !ok {
				return
			}
			w.tell(func(s *sources) bool { return s.concerns(event.Name) })
		case _, ok := <-notifier.Errors:
			if !ok {
				return
			}
			// Events may have been lost: everybody looks.
			w.tell(func(*sources) bool { return true })
		}
	}
}

// tell has those pools look whose sources are concerned.
func (w *watcher) tell(concerned func(*sources) bool) {
	var pools []*Pool
	w.mu.Lock()
	for p, seen := range w.pools {
		if concerned(seen) {
			pools = append(pools, p)
		}
	}
	w.mu.Unlock()
	for _, p := range pools {
		p.send(p.look)
	}
}

// concerns reports whether an event at path can mean that a source has changed.
func (s *sources) concerns(path string) bool {
	return s.paths[path] || slices.Contains(s.folders, path) || s.inTree(path)
}
