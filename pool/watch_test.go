package pool

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// watched is a registry with real file system events, one pool, and a server
// that has made one call.
func watched(t *testing.T, change ...func(*Registry, *Spec)) (d tree, f *fake, events chan Event) {
	t.Helper()
	d, f, events = newTree(t), &fake{}, make(chan Event, 100)
	leak.Check(t, "")
	d.write("real/app", "one")
	d.link("current", "real")
	r := NewRegistry(f)
	spec := specFor(d.path("current/app"), func(s *Spec) { s.Limits.Reload = Strict })
	for _, c := range change {
		c(r, &spec)
	}
	g := &Generation{
		Covers:  func(s Spec) (Spec, bool) { return s, true },
		Observe: func(e Event) { events <- e },
	}
	r.Enter(g)
	t.Cleanup(func() { r.Close(t.Context()) })
	lease, err := r.Acquire(t.Context(), g, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Call(t.Context(), prefork.Request{}); err != nil {
		t.Fatal(err)
	}
	exit(lease, 0)
	<-lease.Finished()
	return d, f, events
}

// await returns the next event of a kind.
func await(t *testing.T, events chan Event, kind Kind) Event {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case e := <-events:
			if e.Kind == kind {
				return e
			}
		case <-timeout:
			t.Fatalf("no event %q", kind)
		}
	}
}

func TestChangedSourceEndsAnIdleServerThoughNobodyAsks(t *testing.T) {
	for name, change := range map[string]func(tree){
		"write":        func(d tree) { d.write("real/app", "two") },
		"rename over":  func(d tree) { d.write("real/new", "x"); d.rename("real/new", "real/app") },
		"link switch":  func(d tree) { d.link("next", "other"); d.rename("next", "current") },
		"deletion":     func(d tree) { d.must(os.Remove(d.path("real/app"))) },
		"folder moved": func(d tree) { d.rename("real", "moved") },
	} {
		t.Run(name, func(t *testing.T) {
			d, f, events := watched(t)
			change(d)
			if e := await(t, events, Exited); e.Reason != Changed {
				t.Errorf("reason is %s", e.Reason)
			}
			if f.started() != 1 {
				t.Error("a server was started for nobody")
			}
		})
	}
}

func TestStaleStartsTheNewServerBeforeAnybodyAsks(t *testing.T) {
	d, f, events := watched(t, func(_ *Registry, s *Spec) { s.Limits.Reload = Stale })
	d.write("real/app", "two")
	if e := await(t, events, Exited); e.Reason != Changed || f.started() < 2 {
		t.Errorf("reason is %s, %d launches", e.Reason, f.started())
	}
}

func TestWatchOfATree(t *testing.T) {
	d, _, events := watched(t, func(_ *Registry, s *Spec) {
		lib := filepath.Join(filepath.Dir(filepath.Dir(s.Command.Script)), "lib")
		if err := os.MkdirAll(filepath.Join(lib, "deep"), 0o755); err != nil {
			t.Fatal(err)
		}
		s.Sources = []string{lib}
	})
	d.write("lib/deep/New.pm", "1;")
	await(t, events, Exited)
}

func TestFilesNearbyDoNotMatter(t *testing.T) {
	d, _, events := watched(t)
	d.write("real/log", "line")
	d.write("real/app.bak", "one")
	d.write("real/app", "two") // the events come in order
	await(t, events, Exited)
	if len(events) > 0 {
		t.Errorf("a further event: %v", <-events)
	}
}

func TestWithoutEventsTheDoorStillLooks(t *testing.T) {
	_, _, events := watched(t, func(r *Registry, _ *Spec) {
		r.watcher.newInotify = func() (*inotify, error) { return nil, errors.New("too many") }
	})
	if e := await(t, events, WatchFailed); e.Err == nil {
		t.Error("no reason")
	}
}

func TestNoWatchIsLeftWithoutPools(t *testing.T) {
	f := &fake{}
	leak.Check(t, "")
	r := NewRegistry(f)
	d := newTree(t)
	d.write("app", "one")
	spec := specFor(d.path("app"), func(s *Spec) { s.Limits.Reload, s.Limits.IdleTimeout = Strict, time.Nanosecond })
	g := &Generation{Covers: func(s Spec) (Spec, bool) { return s, true }}
	r.Enter(g)
	lease, err := r.Acquire(t.Context(), g, spec)
	if err != nil {
		t.Fatal(err)
	}
	lease.Release()
	<-lease.pool.done
	if r.watcher.events != nil || len(r.watcher.watches) > 0 || len(r.watcher.trails) > 0 {
		t.Errorf("left: %+v", r.watcher)
	}
}
