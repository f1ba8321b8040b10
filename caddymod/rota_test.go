package caddymod

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestRotaCallsWhatIsDueAndNothingThatWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rota{delay: time.Second}
		var called []string
		add := func(name string) *turn { return r.add(func() { called = append(called, name) }) }
		first := add("first")
		time.Sleep(500 * time.Millisecond)
		stopped, second := add("stopped"), add("second")
		if !stopped.stop() || stopped.stop() {
			t.Error("it cannot be stopped once")
		}
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		if !slices.Equal(called, []string{"first"}) || first.stop() {
			t.Errorf("called %q", called)
		}
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		if !slices.Equal(called, []string{"first", "second"}) || second.stop() {
			t.Errorf("called %q", called)
		}
		if r.armed {
			t.Error("the timer is set for nobody")
		}
		add("third")
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if len(called) != 3 {
			t.Errorf("called %q", called)
		}
	})
}
