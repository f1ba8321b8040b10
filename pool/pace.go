package pool

import "time"

// How often sources that change have a pool set up a server: a few times at once,
// as who edits and tries needs it, and then once in each interval, however many
// files are saved. Requests of newer versions wait for the next setup together.
const (
	paceBurst    = 4
	paceInterval = 250 * time.Millisecond
)

// quietTime is how long sources must be unchanged before a server that still
// serves is replaced: an editor may not have written all of them. Where the old
// code must not be served, nobody waits for that.
const quietTime = 200 * time.Millisecond

// maxUnrest is for how long changes may put off a server's replacement.
const maxUnrest = 10 * time.Second

// A pace spaces setups. The zero value has had none.
type pace struct {
	rested time.Time // when the whole burst is allowed again
}

// next returns when one more setup is allowed.
func (p *pace) next() time.Time { return p.rested.Add(-(paceBurst - 1) * paceInterval) }

// took notes a setup.
func (p *pace) took(now time.Time) {
	if p.rested.Before(now) {
		p.rested = now
	}
	p.rested = p.rested.Add(paceInterval)
}
