package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// A storm is many requests for one script, while servers die, setup fails and
// configurations come and go. What comes of it depends on a seed alone.
type storm struct {
	t        *testing.T
	fake     *fake
	registry *Registry
	spec     Spec

	mu         sync.Mutex
	random     *rand.Rand
	generation *Generation
}

func newStorm(t *testing.T, seed uint64, limits Limits) *storm {
	t.Helper()
	f := &fake{}
	s := &storm{
		t: t, fake: f, registry: newFakeRegistry(f), random: rand.New(rand.NewPCG(seed, 0)),
		spec: specFor(t.TempDir()+"/a", func(s *Spec) { s.Limits = limits }),
	}
	s.reload()
	return s
}

// n returns a number below limit.
func (s *storm) n(limit int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(limit)
}

// pause waits up to most.
func (s *storm) pause(most time.Duration) { time.Sleep(time.Duration(s.n(int(most)))) }

func (s *storm) newest() *Generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation
}

// reload puts another generation in the place of the one that is there.
func (s *storm) reload() {
	g := &Generation{Covers: func(Spec) (Spec, bool) { return s.spec, true }}
	s.registry.Enter(g)
	s.mu.Lock()
	old := s.generation
	s.generation = g
	s.mu.Unlock()
	if old != nil {
		s.pause(time.Millisecond)
		s.registry.Leave(old)
	}
}

// disturb does one bad thing.
func (s *storm) disturb() {
	switch s.n(5) {
	case 0:
		s.fake.mu.Lock()
		launches := s.fake.launches
		s.fake.mu.Unlock()
		if len(launches) > 0 {
			launches[len(launches)-1].Kill()
		}
	case 1:
		s.fake.set(func() { s.fake.fail = errors.New("no") })
	case 2, 3:
		s.fake.set(func() { s.fake.fail = nil })
	case 4:
		s.reload()
	}
}

// request is one client, which may lose its patience at any point.
func (s *storm) request() {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Duration(1+s.n(int(40*time.Millisecond))))
	defer cancel()
	l, err := s.registry.Acquire(ctx, s.newest(), s.spec)
	if err != nil {
		return
	}
	if s.n(10) == 0 {
		l.Release()
		return
	}
	if l.Call(ctx, prefork.Request{}) != nil {
		return
	}
	s.pause(10 * time.Millisecond)
	if s.n(3) == 0 {
		l.Interrupt()
	} else {
		exit(l, 0)
	}
	<-l.Finished()
}

func TestStormLeavesNothingAndKeepsTheLimit(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			const most = 3
			s := newStorm(t, seed, Limits{
				MaxConcurrent: most, QueueSize: 5, QueueWait: 50 * time.Millisecond,
				IdleTimeout: 30 * time.Millisecond, Reload: Off, Grace: 5 * time.Millisecond,
			})
			var all sync.WaitGroup
			for range 200 {
				s.pause(2 * time.Millisecond)
				all.Go(s.request)
				if s.n(3) == 0 {
					s.disturb()
				}
			}
			all.Wait()
			time.Sleep(time.Minute) // virtual: all pools are idle by then
			running, parked, atOnce := s.fake.count(&s.fake.running), s.fake.count(&s.fake.parked), s.fake.count(&s.fake.most)
			if running != 0 || parked != 0 || atOnce > most || len(s.registry.all()) != 0 {
				t.Errorf("seed %d: %d executors that run, %d that are parked and %d pools are left, %d ran at once",
					seed, running, parked, len(s.registry.all()), atOnce)
			}
			s.registry.Close(t.Context())
		})
	}
}

// A stamper notes of each process what the script was while its setup ran.
type stamper struct {
	*fake
	storm  *storm
	script atomic.Int64 // what the script says now
	stamps sync.Map     // prefork.Process to what it has read
}

func (s *stamper) Launch(ctx context.Context, cmd prefork.Command, listener prefork.Listener) (prefork.Process, error) {
	s.storm.pause(2 * time.Millisecond)
	read := s.script.Load()
	s.storm.pause(3 * time.Millisecond)
	p, err := s.fake.Launch(ctx, cmd, listener)
	if err == nil {
		s.stamps.Store(p, read)
	}
	return p, err
}

// edit saves the script.
func (s *stamper) edit() {
	text := strconv.FormatInt(s.script.Load()+1, 10)
	if err := os.WriteFile(s.storm.spec.Command.Script, []byte(text), 0o755); err != nil {
		s.storm.t.Error(err)
	}
	s.script.Add(1)
}

func TestStrictIsNeverStaleWhateverIsEditedWhen(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			s := newStorm(t, seed, edited)
			s.edits()
		})
	}
}

// The same with the kernel's events, whose time is not virtual.
func TestStrictIsNeverStaleThoughTheKernelIsTrusted(t *testing.T) {
	leak.Check(t, "")
	for seed := range uint64(5) {
		s := newStorm(t, seed, edited)
		s.registry.watcher = newWatcher()
		s.edits()
	}
}

// edited are limits for a script that is edited all the time.
var edited = Limits{
	MaxConcurrent: 3, QueueSize: 500, IdleTimeout: 5 * time.Millisecond, Reload: Strict, Grace: 5 * time.Millisecond,
}

// edits has requests check that no edit before them was missed.
func (s *storm) edits() {
	s.t.Helper()
	launcher := &stamper{fake: s.fake, storm: s}
	s.registry.launcher = launcher
	launcher.edit()
	var all sync.WaitGroup
	for range 150 {
		s.pause(3 * time.Millisecond)
		switch s.n(10) {
		case 0, 1:
			launcher.edit()
		case 2:
			s.reload()
		}
		all.Go(func() {
			want := launcher.script.Load()
			l, err := s.registry.Acquire(s.t.Context(), s.newest(), s.spec)
			if err == nil {
				err = l.Call(s.t.Context(), prefork.Request{})
			}
			if err != nil {
				s.t.Error(err)
				return
			}
			if got, _ := launcher.stamps.Load(l.server.proc); got.(int64) < want {
				s.t.Errorf("what was read before edit %d serves after edit %d", got, want)
			}
			s.pause(4 * time.Millisecond)
			exit(l, 0)
			<-l.Finished()
		})
	}
	all.Wait()
	s.registry.Close(s.t.Context())
}
