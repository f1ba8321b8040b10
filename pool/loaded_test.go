package pool

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// A loadedTest has a pool whose setups say that they have loaded files. It runs in
// real time, since files have times of their own.
type loadedTest struct {
	*testing.T
	f    *fake
	r    *Registry
	g    *Generation
	spec Spec
}

func newLoadedTest(t *testing.T, reload Reload) *loadedTest {
	t.Helper()
	leak.Check(t, "")
	l := &loadedTest{T: t, f: &fake{}}
	l.r = newFakeRegistry(l.f)
	l.g = &Generation{Covers: func(s Spec) (Spec, bool) { return s, true }}
	l.r.Enter(l.g)
	t.Cleanup(func() { l.r.Close(t.Context()) })
	l.spec = specFor(l.write("script"), func(s *Spec) { s.Limits.Reload = reload })
	return l
}

// write writes a file that was last changed so long ago that nobody doubts it.
func (l *loadedTest) write(name string) string {
	l.Helper()
	path := filepath.Join(l.TempDir(), name)
	if err := os.WriteFile(path, []byte(name), 0o755); err != nil {
		l.Fatal(err)
	}
	time.Sleep(2 * fineTick) // the file system's clock is real
	return path
}

// request makes a call and reports which launch, from 1, has served it.
func (l *loadedTest) request() int {
	l.Helper()
	lease, err := l.r.Acquire(l.Context(), l.g, l.spec)
	if err != nil {
		l.Fatal(err)
	}
	if err := lease.Call(l.Context(), prefork.Request{}); err != nil {
		l.Fatal(err)
	}
	exit(lease, 0)
	<-lease.Finished()
	return lease.Info().PID - 999
}

// sources returns those of the one pool.
func (l *loadedTest) sources() *sources { return l.r.all()[0].sources.Load() }

func (l *loadedTest) want(launch int) {
	l.Helper()
	if got := l.request(); got != launch {
		l.Errorf("launch %d has served the request, not %d", got, launch)
	}
}

func TestLoadedFilesAreSources(t *testing.T) {
	l := newLoadedTest(t, Strict)
	module := l.write("module")
	l.f.loads = []string{module, module}
	l.want(1)
	l.want(1)
	if err := os.WriteFile(module, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.want(2)
	l.want(2)
	if err := os.Remove(module); err != nil {
		t.Fatal(err)
	}
	l.want(3)
	l.want(3)
}

// The first request's executor is forked while the files are looked at. With none forked so
// it has to wait for another.
func TestFirstExecutorIsMadeEarly(t *testing.T) {
	for _, fails := range []bool{false, true} {
		l := newLoadedTest(t, Strict)
		module := l.write("module")
		l.f.loads = []string{module}
		var known []bool // at each fork: the module is one of the sources
		l.f.onPark = func() {
			now := l.sources().paths[module]
			l.f.set(func() {
				known = append(known, now)
				l.f.launches[0].barren = map[bool]string{true: "no more processes"}[fails && len(known) == 1]
			})
		}
		l.want(1)
		l.f.set(func() {
			if want := map[bool][]bool{false: {false}, true: {false, true}}[fails]; !slices.Equal(known[:len(want)], want) {
				t.Errorf("the sources were known: %v, not %v", known, want)
			}
		})
		if !l.sources().paths[module] {
			t.Error("the module is no source")
		}
	}
}

// Of a file that has changed while setup ran nobody knows which one was loaded.
func TestFileThatChangesDuringSetup(t *testing.T) {
	l := newLoadedTest(t, Strict)
	l.f.loads = []string{l.write("module")}
	now := time.Now().Add(time.Second)
	if err := os.Chtimes(l.f.loads[0], now, now); err != nil { // and changes its own time, the kernel's
		t.Fatal(err)
	}
	l.want(2)
	l.want(2)
}

func TestFileThatNeverWas(t *testing.T) {
	l := newLoadedTest(t, Strict)
	l.f.loads = []string{l.write("archive.zip") + "/module"}
	l.want(1)
	l.want(1)
}

// A script that writes modules and loads them has new ones in each setup.
func TestSetupThatWritesWhatItLoads(t *testing.T) {
	l := newLoadedTest(t, Strict)
	folder := t.TempDir()
	l.f.onLaunch = func(n int) []string {
		module := filepath.Join(folder, fmt.Sprint(n))
		if err := os.WriteFile(module, nil, 0o600); err != nil {
			t.Error(err)
		}
		return []string{module}
	}
	l.want(maxDoubts + 1)
	l.want(maxDoubts + 1)
}

// A module that a request has written itself, and perhaps deleted, is nobody's source.
func TestExecutorThatWritesWhatItLoads(t *testing.T) {
	l := newLoadedTest(t, Strict)
	l.want(1)
	l.f.launches[0].listener.Loaded([]string{l.write("new"), "/nonexistent", "relative"})
	l.want(1)
	if loaded := l.r.Snapshot()[0].Loaded; len(loaded) > 0 {
		t.Errorf("loaded are %q", loaded)
	}
}

func TestExecutorsTellWhatTheyHaveLoaded(t *testing.T) {
	l := newLoadedTest(t, Strict)
	module := l.write("late")
	l.want(1)
	l.f.launches[0].listener.Loaded([]string{module})
	l.want(1)
	if loaded := l.r.Snapshot()[0].Loaded; !slices.Equal(loaded, []string{module}) {
		t.Errorf("loaded are %q", loaded)
	}
	if err := os.WriteFile(module, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.want(2)
}

// What a setup has loaded before it failed is what can be mended.
func TestFailedSetupTellsWhatItHasLoaded(t *testing.T) {
	l := newLoadedTest(t, Strict)
	module := l.write("module")
	l.f.loads, l.f.fail = []string{module}, &prefork.SetupError{}
	for range 2 {
		if _, err := l.r.Acquire(t.Context(), l.g, l.spec); err == nil {
			t.Fatal("setup has not failed")
		}
	}
	if err := os.WriteFile(module, []byte("mended"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.f.set(func() { l.f.fail = nil })
	l.want(2)
}

func TestLoadedFilesDoNotCountWhereNobodyLooks(t *testing.T) {
	l := newLoadedTest(t, Off)
	module := l.write("module")
	l.f.loads = []string{module}
	l.want(1)
	if err := os.Remove(module); err != nil {
		t.Fatal(err)
	}
	l.want(1)
}

// A server may learn to load more, after its setup, and then says where it has missed files.
func TestMissedLaterAreSources(t *testing.T) {
	l := newLoadedTest(t, Strict)
	l.want(1)
	absent := filepath.Join(t.TempDir(), "absent")
	l.f.launches[0].listener.Missed([]string{absent})
	l.want(1)
	if err := os.WriteFile(absent, []byte("here"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.want(2)
	// This one may have come before the server has looked, or after.
	l.f.launches[1].listener.Missed([]string{l.write("present")})
	l.want(3)
	l.want(3)
}

// What a setup has looked for in vain is a source too: the file that comes, or the
// folder in which it could be. What else comes there is none.
func TestWhatWasMissedMayCome(t *testing.T) {
	l := newLoadedTest(t, Strict)
	folder := t.TempDir()
	path := func(names ...string) string { return filepath.Join(append([]string{folder}, names...)...) }
	l.f.misses = []string{path("module"), path("a", "b", "module"), path("a", "b", "other"), "relative"}
	l.want(1)
	l.want(1)
	if n := len(l.sources().files) - len(takeSources([]string{l.spec.Command.Script}).files); n != 2 {
		t.Errorf("%d sources more than the script, not 2", n)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path("log"), nil, 0o600))
	l.want(1)
	must(os.Mkdir(path("a"), 0o700)) // nobody can say what it will have
	l.want(2)
	must(os.WriteFile(path("a", "log"), nil, 0o600))
	l.want(2)
	must(os.MkdirAll(path("new", "b"), 0o700))
	must(os.WriteFile(path("new", "b", "other"), nil, 0o600))
	must(os.RemoveAll(path("a")))
	must(os.Rename(path("new"), path("a")))
	l.want(3)
	must(os.Remove(path("a", "b", "other")))
	l.want(4)
	must(os.WriteFile(path("module"), nil, 0o600))
	l.want(5)
}

// A file that comes while setup runs may have come too late for it.
func TestWhatWasMissedComesDuringSetup(t *testing.T) {
	l := newLoadedTest(t, Strict)
	module := filepath.Join(t.TempDir(), "module")
	l.f.misses = []string{module}
	l.f.onLaunch = func(n int) []string {
		if n > 1000 {
			return nil
		}
		if err := os.WriteFile(module, nil, 0o600); err != nil {
			t.Error(err)
		}
		return nil
	}
	l.want(2)
	l.want(2)
}
