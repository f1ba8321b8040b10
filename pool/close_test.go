package pool

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// A request may have found its pool, or a server, just before the program ends.
func TestNothingIsStartedWhileTheProgramEnds(t *testing.T) {
	for name, late := range map[string]func(ctx context.Context, l *Lease) error{
		"a request that has found its pool": func(ctx context.Context, l *Lease) error {
			_, _, err := l.pool.acquire(ctx, l.pool.spec, true)
			return err
		},
		"a call whose server is gone": func(ctx context.Context, l *Lease) error {
			return l.Call(ctx, prefork.Request{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{}
				r := newFakeRegistry(f)
				g := &Generation{Covers: func(s Spec) (Spec, bool) { return s, true }}
				r.Enter(g)
				l, err := r.Acquire(t.Context(), g, specFor(t.TempDir()+"/a"))
				if err != nil {
					t.Fatal(err)
				}
				f.launches[0].vanishing = true
				closed := make(chan struct{})
				go func() {
					ctx, cancel := contextFor(t, 3*time.Second)
					defer cancel()
					r.Close(ctx)
					close(closed)
				}()
				synctest.Wait()
				if err := late(t.Context(), l); !errors.Is(err, ErrClosed) {
					t.Errorf("it is told %v", err)
				}
				l.Release()
				<-closed
				if f.started() > 1 || len(r.all()) > 0 {
					t.Errorf("%d launches, %d pools are left", f.started(), len(r.all()))
				}
			})
		})
	}
}

func TestSetupIsEndedWithTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{hold: make(chan struct{})}
		r := newFakeRegistry(f)
		g := &Generation{Covers: func(s Spec) (Spec, bool) { return s, true }}
		r.Enter(g)
		answer := make(chan error, 1)
		go func() {
			_, err := r.Acquire(t.Context(), g, specFor(t.TempDir()+"/a"))
			answer <- err
		}()
		synctest.Wait()
		r.Close(t.Context())
		if err := <-answer; !errors.Is(err, ErrClosed) || len(r.all()) > 0 {
			t.Errorf("it is told %v, and %d pools are left", err, len(r.all()))
		}
	})
}
