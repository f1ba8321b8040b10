package pool

import (
	"math"
	"time"
)

// How long executions take, and how much they need, so that who is refused can be
// told when to come again, and the budget what to expect.

// A usual is what the last executions were like.
type usual struct {
	took   time.Duration // on average
	memory int64         // beside what the server has; the most, slowly forgotten
}

// Of the average the last execution makes a part, as large as that; of the most a part
// is forgotten with each.
const (
	newPart    = 8
	forgetPart = 16
)

// measure notes what an execution that has ended was like. Who streams holds nobody up.
func (p *Pool) measure(l *Lease) {
	if took := time.Since(l.began); !l.streams {
		if p.usual.took == 0 {
			p.usual.took = took
		}
		p.usual.took += (took - p.usual.took) / newPart
	}
	if used := l.status.Usage; used != nil && used.PeakMemory >= 0 {
		more := max(used.PeakMemory-l.server.info.Memory.Resident, 0) + least
		p.usual.memory = max(more, p.usual.memory-p.usual.memory/forgetPart)
	}
}

// least is what every executor has of its own: its stack, its page tables, what it writes to.
const least = 1 << 20

// The bounds of what is said to who comes at a bad time.
const (
	soonest = time.Second
	latest  = 2 * time.Minute
)

// overload returns the error for who cannot be served because of others: those that are here
// will need so long, as it goes now.
func (p *Pool) overload(why error) error {
	before := float64(p.slots+len(p.queue)) / float64(p.limits.MaxConcurrent)
	wait := time.Duration(math.Min(before*float64(p.usual.took), float64(latest)))
	return &OverloadError{RetryIn: max(wait, soonest), Err: why}
}
