package soak

import (
	"os"
	"time"
)

// faultsAtOnce is how many faults may be under way.
const faultsAtOnce = 3

// recoveryLimit is how long after a fault a script may fail: longer than the first
// back-offs together.
const recoveryLimit = 30 * time.Second

// An injector does one fault after the other.
type injector struct {
	run    *run
	client *client // of its own
}

// A fault is something bad. One that is done to a script has it to itself.
type fault struct {
	weight int
	one    func(*injector, *script)
	which  func(*script) bool // nil: any
	all    func(*injector)    // to all scripts, instead
}

// kinds are what is injected.
var kinds = []fault{
	{weight: 14, one: (*injector).kill},
	{weight: 3, one: (*injector).killAll},
	{weight: 8, one: (*injector).stop},
	{weight: 2, one: (*injector).hitGuard},
	{weight: 2, one: (*injector).hang},
	{weight: 12, one: (*injector).renameOver},
	{weight: 10, one: (*injector).writeInPlace, which: (*script).mayBeWrittenInPlace},
	{weight: 3, one: (*injector).touch},
	{weight: 3, one: (*injector).storm},
	{weight: 6, one: (*injector).breakAndMend},
	{weight: 4, one: (*injector).deleteAndCreate},
	{weight: 8, one: (*injector).changeModule, which: (*script).hasModule},
	{weight: 4, all: (*injector).changeLimits},
	{weight: 2, all: (*injector).changeIdentity},
	{weight: 3, all: (*injector).failToLoad},
	{weight: 1, all: (*injector).killEverything},
	{weight: 1, all: (*injector).takeDescriptors},
}

// inject injects one fault.
func (in *injector) inject() {
	all := 0
	for _, f := range kinds {
		all += f.weight
	}
	n := in.client.random.IntN(all)
	for _, f := range kinds {
		if n -= f.weight; n >= 0 {
			continue
		}
		if f.all != nil {
			in.run.world.Lock()
			defer in.run.world.Unlock()
			f.all(in)
			return
		}
		in.run.world.RLock()
		defer in.run.world.RUnlock()
		s := in.one(f.which)
		s.faults.Lock()
		defer s.faults.Unlock()
		f.one(in, s)
		return
	}
}

// one returns any script that is such; nil: that is any.
func (in *injector) one(such func(*script) bool) *script {
	for {
		s := in.run.scripts[in.client.random.IntN(len(in.run.scripts))]
		if such == nil || such(s) {
			return s
		}
	}
}

// pause waits for a moment of random length.
func (in *injector) pause(most time.Duration) {
	time.Sleep(time.Duration(in.client.random.Int64N(int64(most))))
}

// await asks for a script until it answers right. Each answer is judged like any other.
func (in *injector) await(s *script) {
	for deadline := time.Now().Add(recoveryLimit); ; time.Sleep(20 * time.Millisecond) {
		if a := in.client.ask(s); a.status == 200 && a.err == nil {
			return
		} else if time.Now().After(deadline) {
			in.run.model.complain("%s has not recovered: the last answer is %d %s, %v", s.path, a.status, a.text, a.err)
			return
		}
	}
}

// awaitAll is await for all scripts.
func (in *injector) awaitAll() {
	for _, s := range in.run.scripts {
		in.await(s)
	}
}

// read returns a file that must be there.
func (r *run) read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		r.model.complain("%v", err)
	}
	return string(text)
}

// must complains of what the soak itself could not do.
func (in *injector) must(err error) {
	if err != nil {
		in.run.model.complain("cannot inject a fault: %v", err)
	}
}
