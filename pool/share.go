package pool

import "math"

// What a pool says to the ledger, and does when that asks for something. All of it is
// executed by send.

// guess is what an executor is taken to need before one has been measured.
const guess = 4 << 20

// wishFor returns what an executor of s needs.
func (p *Pool) wishFor(s *server) wish {
	w := wish{ahead, 1, guess}
	if s.making < p.waitingFor(s) {
		w.need = urgent
	}
	if p.usual.memory > 0 {
		w.memory = p.usual.memory
	}
	if s.info.Mode.Warm() && !s.info.Parks {
		w.processes = 2 // protocol v1: a monitor and an executor
	}
	return w
}

// value tells the ledger how useful the pool is, when that has changed.
func (p *Pool) value() { p.account.useful.Store(math.Float64bits(p.worth.number())) }

// spares returns what the pool has and does not need at this moment.
func (p *Pool) spares() int32 {
	switch s := p.current; {
	case s == nil:
		return nothing
	case len(s.parked) > 0:
		return itsParked
	case s.share != nil && p.slots+p.streams == 0 && s.making == 0:
		return itsServer
	}
	return nothing
}

// yield gives something back that the pool can spare. It reports false if there was nothing
// any more, or nothing that comes back because of this.
func (p *Pool) yield() (yields bool) {
	switch p.spares() {
	case itsParked:
		s := p.current
		yields = s.parked[0].share.mark()
		s.dismiss(1)
		p.target = min(p.target, len(s.parked))
	case itsServer:
		yields = p.current.share.mark()
		p.recycle(p.current, Evicted)
	}
	return yields
}
