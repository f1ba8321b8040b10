package pool

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// TestBudgetIsExact has 300 pools asked at random by many clients, and compares what there is
// with what there may be at every start of a process.
func TestBudgetIsExact(t *testing.T) {
	const places, scripts, clients, requests = 40, 300, 50, 100
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		r := newFakeRegistry(f)
		g := &Generation{Budget: Budget{Processes: places}, Covers: func(s Spec) (Spec, bool) { return s, true }}
		r.Enter(g)
		var served, refused int
		var mu sync.Mutex
		var all sync.WaitGroup
		for client := range clients {
			all.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(client)))
				for range requests {
					spec := specFor(fmt.Sprintf("script%d", random.IntN(scripts)), func(s *Spec) { s.Limits.QueueWait = time.Minute })
					l, err := r.Acquire(t.Context(), g, spec)
					if err == nil {
						err = l.Call(t.Context(), prefork.Request{})
					}
					mu.Lock()
					if err == nil {
						served++
					} else {
						refused++
					}
					mu.Unlock()
					if err != nil {
						continue
					}
					time.Sleep(time.Duration(random.IntN(int(time.Second))))
					exit(l, 0)
					<-l.Finished()
				}
			})
		}
		all.Wait()
		synctest.Wait()
		if f.mostAlive > places || f.mostAlive < places-lastPlaces {
			t.Errorf("there were %d processes at once; the budget is %d", f.mostAlive, places)
		}
		if served != clients*requests {
			t.Errorf("%d requests were served, %d refused", served, refused)
		}
		if f.alive != r.ledger.used {
			t.Errorf("there are %d processes; the ledger says %d", f.alive, r.ledger.used)
		}
		r.Close(t.Context())
		synctest.Wait()
		if f.alive != 0 || r.ledger.used != 0 || len(r.ledger.tenants) != 0 || r.ledger.yielding != 0 || r.ledger.memory != 0 {
			t.Errorf("there are %d processes left; the ledger has %+v", f.alive, r.ledger)
		}
	})
}

// TestFloodHoldsNobodyUp floods one pool with 200 clients, all of which want a second, while nine
// others are asked once a second: none of those waits for more than two executions of
// the flood, one for its server and one for its executor.
func TestFloodHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFakeRegistry(&fake{})
		g := &Generation{Budget: Budget{Processes: 32}, Covers: func(s Spec) (Spec, bool) { return s, true }}
		r.Enter(g)
		over := make(chan struct{})
		work := func(script string, d time.Duration) time.Duration {
			began := time.Now()
			spec := specFor(script, func(s *Spec) { s.Tenant, s.Limits.MaxConcurrent, s.Limits.QueueSize = script, 64, 200 })
			l, err := r.Acquire(t.Context(), g, spec)
			if err != nil {
				time.Sleep(d)
				return 0
			}
			waited := time.Since(began)
			if err := l.Call(t.Context(), prefork.Request{}); err != nil {
				t.Error(err)
				return 0
			}
			time.Sleep(d)
			exit(l, 0)
			<-l.Finished()
			return waited
		}
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
						work("flooded", time.Second)
					}
				}
			})
		}
		var others sync.WaitGroup
		for i := range 9 {
			others.Go(func() {
				for range 100 {
					if waited := work(fmt.Sprintf("quiet%d", i), 100*time.Millisecond); waited > 2*time.Second {
						t.Errorf("quiet%d has waited for %v", i, waited)
					}
					time.Sleep(time.Second)
				}
			})
		}
		others.Wait()
		close(over)
		all.Wait()
		r.Close(t.Context())
	})
}

// A process that was killed has given its share back before somebody asks for it: nobody must wait for
// that to happen once more.
func TestShareOfWhoWasKilledIsNotWaitedFor(t *testing.T) {
	r := newFakeRegistry(&fake{})
	defer r.Close(t.Context())
	p := newPool(r, specFor("a"), true)
	lives := p.account.take(wish{ahead, 1, 0})
	killed := p.account.take(wish{ahead, 1, 0})
	killed.give()
	if killed.mark() {
		t.Error("a share that was given back is waited for")
	}
	if !lives.mark() {
		t.Error("a share is not waited for")
	}
	r.ledger.yielding++ // as for who is asked
	lives.give()
	if r.ledger.yielding != 0 || r.ledger.used != 0 {
		t.Errorf("%d shares are waited for, %d in use", r.ledger.yielding, r.ledger.used)
	}
}
