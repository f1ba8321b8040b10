package pool

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// A saver saves a script 100 times a second for some time, while four clients make
// request after request. Setup takes longer than it takes to save once more.
type saver struct {
	t      *testing.T
	script string
	fake   *fake
	r      *Registry
	g      *Generation
	spec   Spec

	mu    sync.Mutex
	saved int
	read  []int // what each launch has found
}

const (
	savedSetup   = 30 * time.Millisecond
	saveInterval = 10 * time.Millisecond
)

// saveOften calls served after each request with what had been saved before it, the
// launch that has served it and what that has found. It returns the number of launches.
func saveOften(t *testing.T, folder string, reload Reload, length time.Duration, served func(saved, launch, read int)) int {
	t.Helper()
	s := &saver{t: t, script: filepath.Join(folder, "script"), fake: &fake{}}
	s.save()
	s.fake.onLaunch = func(int) []string {
		text, err := os.ReadFile(s.script)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.read = append(s.read, len(text))
		s.mu.Unlock()
		time.Sleep(savedSetup)
		return nil
	}
	s.r = newFakeRegistry(s.fake)
	s.g = &Generation{Covers: func(s Spec) (Spec, bool) { return s, true }}
	s.r.Enter(s.g)
	s.spec = specFor(s.script, func(s *Spec) { s.Limits.Reload = reload })
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				s.check(served)
				time.Sleep(3 * time.Millisecond)
			}
		})
	}
	for range length / saveInterval {
		time.Sleep(saveInterval)
		s.save()
	}
	time.Sleep(time.Second)
	cancel()
	clients.Wait()
	s.check(served)
	s.r.Close(t.Context())
	return s.fake.started()
}

// save makes the script longer by one, at once for who reads it.
func (s *saver) save() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved++
	err := os.WriteFile(s.script+".new", []byte(strings.Repeat("x", s.saved)), 0o700)
	if err == nil {
		err = os.Rename(s.script+".new", s.script)
	}
	if err != nil {
		s.t.Error(err)
	}
}

// check makes a request and calls served, one at a time.
func (s *saver) check(served func(saved, launch, read int)) {
	saved, launch, read := s.request()
	s.mu.Lock()
	defer s.mu.Unlock()
	served(saved, launch, read)
}

func (s *saver) request() (saved, launch, read int) {
	s.mu.Lock()
	saved = s.saved
	s.mu.Unlock()
	lease, err := s.r.Acquire(s.t.Context(), s.g, s.spec)
	if err == nil {
		err = lease.Call(s.t.Context(), prefork.Request{})
	}
	if err != nil {
		s.t.Errorf("after save %d: %v", saved, err)
		return saved, 0, saved
	}
	launch = lease.Info().PID - 1000
	exit(lease, 0)
	<-lease.Finished()
	s.mu.Lock()
	defer s.mu.Unlock()
	return saved, launch, s.read[launch]
}

func TestStrictStorm(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const length = 10 * time.Second
		launches := saveOften(t, folder, Strict, length, func(saved, launch, read int) {
			if read < saved {
				t.Errorf("launch %d has served version %d after save %d", launch, read, saved)
			}
		})
		if most := paceBurst + int(length/paceInterval) + 1; launches > most || launches < most/2 {
			t.Errorf("%d launches, want at most %d and not many fewer", launches, most)
		}
	})
}

// The old server serves until it is quiet, or has not been for long; then the newest does.
func TestStaleStorm(t *testing.T) {
	for _, length := range []time.Duration{maxUnrest - time.Second, 3 * maxUnrest} {
		folder := t.TempDir()
		t.Run(strconv.Itoa(int(length/time.Second)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				last, newest := 1, 0
				launches := saveOften(t, folder, Stale, length, func(saved, _, read int) {
					if behind := time.Duration(saved-read) * saveInterval; behind > maxUnrest+quietTime {
						t.Errorf("version %d served after save %d", read, saved)
					}
					last, newest = read, saved
				})
				if last != newest {
					t.Errorf("version %d is served at the end, not %d", last, newest)
				}
				if most := 3 + 2*int(length/maxUnrest); launches > most {
					t.Errorf("%d launches, want at most %d", launches, most)
				}
			})
		})
	}
}
