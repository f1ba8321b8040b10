package pool

import (
	"fmt"
	"slices"
)

// A state is where a server is in its life. The moves are those of the table
// and no others.
type state string

const (
	spawning state = "spawning"
	ready    state = "ready"
	draining state = "draining"
	exiting  state = "exiting"
	gone     state = "gone"
)

// next lists where a server may go from each state.
var next = map[state][]state{
	spawning: {ready, exiting, gone},
	ready:    {draining, exiting, gone},
	draining: {exiting, gone},
	exiting:  {gone},
	gone:     {},
}

// states is the order in which a server passes them, for pictures and tests.
var states = []state{spawning, ready, draining, exiting, gone}

// move is the only way a server changes its state. A move that is not in the
// table is a fault of this package.
func (s *server) move(to state) {
	if !slices.Contains(next[s.state], to) {
		panic(fmt.Sprintf("pool: server of %s cannot go from %s to %s", s.pool.script, s.state, to))
	}
	s.state = to
}
