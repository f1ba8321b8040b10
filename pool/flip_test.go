package pool

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// Two handlers of one configuration may share a pool and differ in what each of
// their requests brings along.
func TestHandlersThatDifferDoNotRestartTheServerInTurn(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"sources": func(s *Spec) { s.Sources = []string{s.Command.Script + ".data"} },
		"reload":  func(s *Spec) { s.Limits.Reload = Off },
	} {
		for fault, most := range map[string]int{"": 2, "broken": 3} {
			t.Run(name+" "+fault, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := &fake{}
					if fault != "" {
						f.fail = errors.New(fault)
					}
					r := newFakeRegistry(f)
					g := &Generation{Covers: func(s Spec) (Spec, bool) { return s, true }}
					r.Enter(g)
					script := t.TempDir() + "/a"
					if err := os.WriteFile(script, nil, 0o755); err != nil {
						t.Fatal(err)
					}
					strict := func(s *Spec) { s.Limits.Reload = Strict }
					for range 10 {
						for _, spec := range []Spec{specFor(script, strict), specFor(script, strict, change)} {
							l, err := r.Acquire(t.Context(), g, spec)
							if err == nil && l.Call(t.Context(), prefork.Request{}) == nil {
								exit(l, 0)
								<-l.Finished()
							}
							time.Sleep(time.Millisecond)
						}
					}
					if f.started() > most {
						t.Errorf("%d launches", f.started())
					}
					r.Close(t.Context())
				})
			})
		}
	}
}
