package pool

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// followed has a pool of its own follow sources until the test ends.
func followed(tb testing.TB, s *sources) *watcher {
	tb.Helper()
	w := undisturbed()
	follow(tb, w, s)
	return w
}

// ended returns a pool that hears nothing.
func ended() *Pool {
	return &Pool{ended: true}
}

// follow has one more pool follow sources.
func follow(tb testing.TB, w *watcher, s *sources) *Pool {
	tb.Helper()
	p := ended()
	tb.Cleanup(func() { w.leave(p) })
	if err := w.follow(p, s); err != nil {
		tb.Fatal(err)
	}
	return p
}

// quiet reports whether the kernel alone says that nothing has happened.
func quiet(s *sources) bool {
	_, quiet := s.trail.Load().ask()
	return quiet
}

// settle compares once and checks that it need not be done again.
func settle(t *testing.T, s *sources) {
	t.Helper()
	if quiet(s) {
		t.Fatal("nobody has compared the sources since they are watched")
	}
	if !s.fresh() || !quiet(s) {
		t.Fatal("not quiet after they were compared")
	}
}

func TestDoorSeesEveryKindOfChange(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			leak.Check(t, "")
			d := newTree(t)
			s := newSources(d)
			followed(t, s)
			settle(t, s)
			change(d)
			if s.fresh() {
				t.Error("not seen")
			}
		})
	}
}

func TestDoorSeesWhatWasMappedWhenItIsUnmapped(t *testing.T) {
	d := newTree(t)
	d.write("app", "one")
	s := takeSources([]string{d.path("app")})
	followed(t, s)
	file, err := os.OpenFile(d.path("app"), os.O_RDWR, 0)
	d.must(err)
	memory, err := unix.Mmap(int(file.Fd()), 0, 3, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	d.must(err)
	d.must(file.Close())
	settle(t, s)
	copy(memory, "two")
	d.must(unix.Munmap(memory))
	if s.fresh() {
		t.Error("not seen")
	}
}

func TestDoorSeesAMount(t *testing.T) {
	d := newTree(t)
	d.write("app/script", "one")
	s := takeSources([]string{d.path("app/script")})
	follow(t, newWatcher(), s)
	if !s.fresh() {
		t.Fatal("changed before the change")
	}
	if err := unix.Mount("none", d.path("app"), "tmpfs", 0, ""); err != nil {
		t.Skip("cannot mount: ", err)
	}
	hidden := s.fresh()
	d.must(unix.Unmount(d.path("app"), 0))
	if hidden {
		t.Error("not seen")
	}
	if !s.fresh() || quiet(s) {
		t.Error("what is watched after a mount is not known")
	}
}

// A change between the signatures and the watches raises no event.
func TestDoorSeesAChangeBeforeTheWatch(t *testing.T) {
	d := newTree(t)
	s := newSources(d)
	d.write("app", "two")
	followed(t, s)
	if s.fresh() {
		t.Error("not seen")
	}
}

func TestWhatHappensNearbyDisturbsNobody(t *testing.T) {
	d := newTree(t)
	s := newSources(d)
	w := followed(t, s)
	settle(t, s)
	for range 100 {
		d.write("log", "line")
		d.write("app.journal", "begin")
		d.must(os.Remove(d.path("app.journal")))
		d.write("v1/data", "x")
		d.write("unrelated/app", "x")
		if _, err := os.ReadFile(d.path("app")); err != nil {
			t.Fatal(err)
		}
		if !quiet(s) {
			t.Fatal("disturbed")
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	d.write("log", "another line")
	w.events.read(func(e event) { t.Errorf("writing a file that is no source is an event: %+v", e) })
}

// A file that is written as it was, or opened for writing, costs one comparison.
func TestDisturbanceWithoutAChangeIsOver(t *testing.T) {
	d := newTree(t)
	s := newSources(d)
	followed(t, s)
	settle(t, s)
	file, err := os.OpenFile(d.path("app"), os.O_WRONLY, 0)
	d.must(err)
	d.must(file.Close())
	settle(t, s)
}

// What leads to the sources may be moved away and back: the files are the same,
// and the watches may be on others.
func TestMovedWayIsFollowedAnew(t *testing.T) {
	d := newTree(t)
	s := newSources(d)
	w := followed(t, s)
	settle(t, s)
	d.rename("a", "b")
	d.rename("b", "a")
	if !s.fresh() || !s.torn() || quiet(s) {
		t.Error("trusted")
	}
	follow(t, w, s)
	settle(t, s)
}

// The same while the watches are being made: all of them, or only those that the
// pool has not had before.
func TestWayThatIsMovedMeanwhile(t *testing.T) {
	leak.Check(t, "")
	d := newTree(t)
	d.write("a/b/lib", "one")
	d.write("other/b/lib", "one")
	moved := false
	move := func() {
		d.must(unix.Renameat2(unix.AT_FDCWD, d.path("a"), unix.AT_FDCWD, d.path("other"), unix.RENAME_EXCHANGE))
		moved = !moved
	}
	spots := len(takeSources([]string{d.path("a/b/lib")}).spots())
	for _, before := range []string{"", "unrelated", "a/b", "a/b/lib"} {
		for there := range spots {
			for back := there + 1; back <= spots; back++ {
				made, w, p := -1, undisturbed(), ended()
				pass := func() {
					if made++; made == there || made == back {
						move()
					}
				}
				with(func(s *system) {
					s.watch = func(queue int, path string, mask uint32) (int, error) {
						if made >= 0 {
							defer pass()
						}
						return unix.InotifyAddWatch(queue, path, mask)
					}
				})(w)
				if before != "" {
					d.must(w.follow(p, takeSources([]string{d.path(before)})))
				}
				s := takeSources([]string{d.path("a/b/lib")})
				pass()
				d.must(w.follow(p, s))
				if moved {
					move()
				}
				if !s.fresh() {
					t.Fatal("the sources are others")
				}
				d.write("a/b/lib", "two")
				if s.fresh() {
					t.Errorf("with %q watched, moved after %d watches and back after %d: a change after that is not seen", before, there, back)
				}
				w.leave(p)
			}
		}
	}
}

// A request may still look at sources that the pool has replaced by more.
func TestSourcesThatNobodyFollowsAreNotTrusted(t *testing.T) {
	d := newTree(t)
	s := newSources(d)
	w, p := undisturbed(), ended()
	defer w.leave(p)
	during := func() {}
	with(func(asks *system) {
		asks.watch = func(queue int, path string, mask uint32) (int, error) {
			during()
			return unix.InotifyAddWatch(queue, path, mask)
		}
	})(w)
	d.must(w.follow(p, s))
	settle(t, s)
	during = func() { // and holds the mutex
		w.noteAll(event{mount: true})
		if !s.trail.Load().torn {
			t.Error("a mount while others are about to be followed is not noted")
		}
	}
	d.must(w.follow(p, takeSources([]string{d.path("v2/lib")})))
	d.write("app", "two")
	if s.fresh() {
		t.Error("not seen")
	}
}

func TestPoolFollowsAnewAfterAMove(t *testing.T) {
	var r *Registry
	d, f, _ := watched(t, func(registry *Registry, _ *Spec) { r = registry })
	p := r.all()[0]
	settled := func() bool {
		seen := p.sources.Load()
		return seen.fresh() && !seen.torn() && quiet(seen)
	}
	for range 10 {
		old := p.sources.Load().trail.Load()
		r.watcher.mu.Lock() // so that nobody looks in between
		d.rename("real", "moved")
		d.rename("moved", "real")
		r.watcher.mu.Unlock()
		for deadline := time.Now().Add(10 * time.Second); !settled(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("not followed anew")
			}
		}
		if p.sources.Load().trail.Load() == old || f.started() != 1 {
			t.Errorf("%d launches, or nobody has noticed", f.started())
		}
	}
}

func TestEditsAndRequestsInTurn(t *testing.T) {
	leak.Check(t, "")
	random := rand.New(rand.NewPCG(1, 2))
	names := slices.Sorted(maps.Keys(changes))
	w, p, root := undisturbed(), ended(), newTree(t)
	defer w.leave(p)
	times := 1000
	if testing.Short() {
		times = 100
	}
	for n := range times {
		name := names[random.IntN(len(names))]
		d := tree{t, root.path(fmt.Sprint(n))}
		s := newSources(d)
		if err := w.follow(p, s); err != nil {
			t.Fatal(err)
		}
		settle(t, s)
		changes[name](d)
		if s.fresh() {
			t.Fatalf("%s is not seen", name)
		}
		d.must(os.RemoveAll(d.root))
	}
}

// A tempest is many edits, requests and new watches at once.
type tempest struct {
	tree
	mu      sync.RWMutex // for writing: an edit; so nothing is edited during a request
	watcher *watcher
	paths   []string
	current atomic.Pointer[sources]
	asked   atomic.Int64
	quiet   atomic.Int64
}

// edit does one small thing, which may undo another.
func (s *tempest) edit(random *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := func() string { return s.path(fmt.Sprintf("%d/%d/%d", random.IntN(2), random.IntN(2), random.IntN(3))) }
	folder := func() string { return filepath.Dir(name()) }
	switch random.IntN(8) {
	case 0, 1:
		_ = os.WriteFile(name(), []byte(fmt.Sprint(random.IntN(100))), 0o600)
	case 2:
		_ = os.Remove(name())
	case 3:
		_ = os.Link(name(), name())
	case 4:
		_ = os.Rename(name(), name())
	case 5: // and often back
		_ = unix.Renameat2(unix.AT_FDCWD, folder(), unix.AT_FDCWD, folder(), unix.RENAME_EXCHANGE)
	case 6:
		_ = unix.Renameat2(unix.AT_FDCWD, s.path("0"), unix.AT_FDCWD, s.path("1"), unix.RENAME_EXCHANGE)
	case 7:
		_ = os.Remove(s.path("link"))
		_ = os.Symlink(fmt.Sprint(random.IntN(2)), s.path("link"))
	}
}

// request asks as a request does, and compares the answer with the truth.
func (s *tempest) request() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	seen := s.current.Load()
	s.asked.Add(1)
	if _, quiet := seen.trail.Load().ask(); quiet {
		s.quiet.Add(1)
	}
	if seen.fresh() && !seen.same() {
		s.t.Error("a request has missed a change")
	}
}

// renew does what a pool does when it is disturbed.
func (s *tempest) renew(p *Pool) {
	seen := s.current.Load()
	if !seen.fresh() {
		seen = takeSources(s.paths)
	} else if !seen.torn() {
		return
	}
	if err := s.watcher.follow(p, seen); err != nil && !errors.Is(err, unix.ELOOP) {
		s.t.Error(err)
	}
	s.current.Store(seen)
}

func TestNoRequestMissesAChangeWhateverIsEditedWhen(t *testing.T) {
	leak.Check(t, "")
	s := &tempest{tree: newTree(t), watcher: newWatcher()}
	for name := range strings.FieldsSeq("0/0/0 0/0/1 0/1/0 1/0/0 1/1/1") {
		s.write(name, "one")
		s.paths = append(s.paths, s.path(name))
	}
	s.link("link", "0")
	s.paths = append(s.paths, s.path("link/1/0"))
	s.current.Store(takeSources(s.paths))
	p := ended()
	if err := s.watcher.follow(p, s.current.Load()); err != nil {
		t.Fatal(err)
	}
	defer s.watcher.leave(p)

	var all sync.WaitGroup
	over := time.Now().Add(3 * time.Second)
	for seed := range uint64(2) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			for time.Now().Before(over) {
				s.edit(random)
				time.Sleep(time.Duration(random.IntN(int(2 * time.Millisecond))))
			}
		})
		all.Go(func() {
			for time.Now().Before(over) {
				s.request()
			}
		})
	}
	all.Go(func() {
		for time.Now().Before(over) {
			s.renew(p)
		}
	})
	all.Wait()
	t.Logf("%d requests, %d of them quiet", s.asked.Load(), s.quiet.Load())
	if s.quiet.Load() == 0 {
		t.Error("nothing was ever quiet")
	}
}

// BenchmarkDoor is what a request pays to know that nothing has changed: by the
// signatures alone, and where the kernel says so.
func BenchmarkDoor(b *testing.B) {
	for _, files := range []int{1, 40, 360} {
		folder := b.TempDir()
		var paths []string
		for n := range files {
			path := filepath.Join(folder, strconv.Itoa(n%9), strconv.Itoa(n))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600)); err != nil {
				b.Fatal(err)
			}
			paths = append(paths, path)
		}
		time.Sleep(2 * fineTick)
		s := takeSources(paths)
		measure := func(name string, same func() bool) {
			b.Run(fmt.Sprintf("%d/%s", files, name), func(b *testing.B) {
				for b.Loop() {
					if !same() {
						b.Fatal("changed")
					}
				}
			})
		}
		measure("signatures", s.same)
		followed(b, s)
		measure("kernel", s.fresh)
	}
}
