package pool

import (
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// with has a watcher's queue ask another system.
func with(change func(*system)) func(*watcher) {
	return func(w *watcher) {
		before := w.newInotify
		w.newInotify = func() (*inotify, error) {
			i, err := before()
			if err == nil {
				change(&i.asks)
			}
			return i, err
		}
	}
}

// undisturbed returns a watcher that does not notice what others mount while a
// test runs.
func undisturbed() *watcher {
	w := newWatcher()
	w.newInotify = func() (*inotify, error) {
		i, err := newInotify()
		if err == nil {
			err = unix.Close(i.mounts)
			i.mounts = -1 // which poll takes no notice of
		}
		return i, err
	}
	return w
}

// broken are systems on which something cannot be watched.
var broken = map[string]func(*watcher){
	"no instance": func(w *watcher) {
		w.newInotify = func() (*inotify, error) { return nil, unix.EMFILE }
	},
	"network": with(func(s *system) {
		s.statfs = func(_ int, stat *unix.Statfs_t) error {
			stat.Type = unix.NFS_SUPER_MAGIC
			return nil
		}
	}),
	"no statfs": with(func(s *system) {
		s.statfs = func(int, *unix.Statfs_t) error { return unix.EACCES }
	}),
	"too many watches": with(func(s *system) {
		s.watch = limited(3)
	}),
	"no watch": with(func(s *system) {
		s.watch = limited(0)
	}),
}

// limited gives that many watches.
func limited(limit int) func(int, string, uint32) (int, error) {
	return func(queue int, path string, mask uint32) (int, error) {
		if limit--; limit < 0 {
			return 0, unix.ENOSPC
		}
		return unix.InotifyAddWatch(queue, path, mask)
	}
}

func TestWhatCannotBeWatchedIsCompared(t *testing.T) {
	for name, fault := range broken {
		t.Run(name, func(t *testing.T) {
			leak.Check(t, "")
			d, w, p := newTree(t), undisturbed(), ended()
			fault(w)
			s := newSources(d)
			if w.follow(p, s) == nil {
				t.Error("nobody is told")
			}
			if err := w.follow(p, s); err != nil {
				t.Errorf("told once more: %v", err)
			}
			defer w.leave(p)
			for range 3 {
				if !s.fresh() || quiet(s) {
					t.Fatal("trusted")
				}
			}
			d.write("a/b/c/lib", "two")
			if s.fresh() {
				t.Error("a change is not seen")
			}
		})
	}
}

// Only the pool that has such a file compares at each request, and no longer than
// it must.
func TestFaultIsOnePoolsAndEnds(t *testing.T) {
	d, w := newTree(t), undisturbed()
	bad := false
	with(func(s *system) {
		s.statfs = func(file int, stat *unix.Statfs_t) error {
			if bad {
				return unix.EIO
			}
			return unix.Fstatfs(file, stat)
		}
	})(w)
	good, other := newSources(d), takeSources([]string{d.path("app")})
	follow(t, w, good)
	settle(t, good)
	bad = true
	p := ended()
	defer w.leave(p)
	if w.follow(p, other) == nil || !other.fresh() || quiet(other) || !quiet(good) {
		t.Error("not the one pool")
	}
	bad = false
	if err := w.follow(p, other); err != nil {
		t.Error(err)
	}
	settle(t, other)
}

func TestLostEventsDisturbEverybody(t *testing.T) {
	leak.Check(t, "")
	d := newTree(t)
	s, others := newSources(d), takeSources([]string{d.path("tree")})
	w := followed(t, s)
	follow(t, w, others)
	settle(t, s)
	settle(t, others)

	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	d.must(err)
	n, err := strconv.Atoi(strings.TrimSpace(string(limit)))
	d.must(err)
	w.mu.Lock() // so that nobody reads
	for range n/2 + 1 {
		d.must(os.Chmod(d.path("app"), 0o700))
		d.must(os.Chmod(d.path("v1/lib"), 0o700))
	}
	d.write("tree/a", "two")
	w.mu.Unlock()
	if others.fresh() || !others.torn() || !s.torn() {
		t.Error("not seen")
	}
}

func TestDecode(t *testing.T) {
	one := func(watch int32, mask uint32, name string) []byte {
		b := binary.NativeEndian.AppendUint32(nil, uint32(watch))
		b = binary.NativeEndian.AppendUint32(b, mask)
		b = binary.NativeEndian.AppendUint32(b, 7)
		b = binary.NativeEndian.AppendUint32(b, uint32(len(name)))
		return append(b, name...)
	}
	var got []event
	decode(slices.Concat(
		one(1, unix.IN_MODIFY, ""),
		one(2, unix.IN_CREATE|unix.IN_ISDIR, "name\x00\x00\x00\x00"),
		one(3, unix.IN_IGNORED, ""),
		one(-1, unix.IN_Q_OVERFLOW, ""),
		[]byte("half"),
	), func(e event) {
		e.name = slices.Clone(e.name)
		got = append(got, e)
	})
	ok := len(got) == 4 &&
		got[0].watch == 1 && !got[0].moved && len(got[0].name) == 0 &&
		got[1].watch == 2 && got[1].moved && string(got[1].name) == "name" &&
		got[2].moved && !got[2].lost &&
		got[3].lost
	if !ok {
		t.Errorf("%+v", got)
	}
}

func TestWatchesAreSharedAndCounted(t *testing.T) {
	leak.Check(t, "")
	d := newTree(t)
	first, second := newSources(d), takeSources([]string{d.path("app"), d.path("a/b/c/lib")})
	w := followed(t, first)
	alone := len(w.watches)
	p := follow(t, w, second)
	if len(w.watches) != alone {
		t.Errorf("%d watches, %d of which one pool needs", len(w.watches), alone)
	}
	settle(t, first)
	settle(t, second)
	for range 3 {
		if err := w.follow(p, takeSources([]string{d.path("v3/lib")})); err != nil {
			t.Fatal(err)
		}
	}
	w.leave(p)
	if len(w.watches) != alone || !quiet(first) {
		t.Errorf("%d watches are left, of %d; or the other pool was disturbed", len(w.watches), alone)
	}
	d.write("app", "two")
	if first.fresh() {
		t.Error("not seen any more")
	}
}
