package pool

import (
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// Where leases are: which of them have a slot, which have an executor, and which are refused; see the
// package comment. All of it is executed by send.

// arrived puts a new lease where it belongs.
func (p *Pool) arrived(l *Lease) {
	if !p.asked {
		p.lull = p.registry.lulls.of(p.ident, time.Now())
	}
	p.asked, p.unused = true, false
	l.version, l.arrived, l.stop, l.grace = p.version, time.Now(), p.limits.StopSignal, p.limits.Grace
	p.worth.hit(l.arrived)
	p.value()
	switch {
	case p.closing:
		p.refuse(l, ErrClosed)
	case p.isFull():
		p.refuse(l, p.overload(ErrQueueFull))
	case p.slots < p.limits.MaxConcurrent && len(p.queue) == 0:
		p.admit(l)
	default:
		l.place = queued
		p.queue.push(l)
	}
}

// isFull reports whether there is neither a slot nor a place in the queue for one more.
func (p *Pool) isFull() bool {
	return len(p.queue) >= max(p.limits.QueueSize, 0) && (len(p.queue) > 0 || p.slots >= p.limits.MaxConcurrent)
}

// admit gives a lease a slot.
func (p *Pool) admit(l *Lease) {
	p.slots++
	p.expect()
	l.place, l.queued, l.since = starved, time.Since(l.arrived), time.Now()
	p.starved.push(l)
}

// grant gives a lease its executor.
func (p *Pool) grant(l *Lease, s *server, e *executor) {
	l.place, l.server, l.unused, l.began = granted, s, e, time.Now()
	p.leases[l] = struct{}{}
	s.leases++
	l.starting = true
	s.starting++
	l.granted <- nil
}

// begun notes that a lease has handed its request over, or will not: what is made ahead
// in place of its executor is not in its way any more.
func (p *Pool) begun(l *Lease) {
	if l.starting {
		l.starting = false
		l.server.starting--
	}
}

// refuse ends a lease that has no slot.
func (p *Pool) refuse(l *Lease, err error) {
	l.place = returned
	l.granted <- err
}

// released takes a lease back, wherever it is.
func (p *Pool) released(l *Lease) {
	switch l.place {
	case queued:
		p.queue.remove(l)
	case starved:
		p.starved.remove(l)
		p.slots--
	case granted:
		if l.unused != nil {
			l.unused.Dismiss()
		}
		p.unbind(l)
		p.vacate(l)
	case returned:
		return // refused, or answered while it gave up
	}
	l.place = returned
}

// vacate takes a lease's slot back, or its place among the streams.
func (p *Pool) vacate(l *Lease) {
	if l.streams {
		p.streams--
		l.streams = false
	} else {
		p.slots--
	}
}

// unbind takes a granted lease from its server.
func (p *Pool) unbind(l *Lease) {
	p.begun(l)
	delete(p.leases, l)
	l.server.leases--
	if s, over := l.server, time.Now().Add(afterRun); over.Before(s.aloneUntil) {
		s.aloneUntil = over
	}
}

// again has a lease whose executor was gone before it had the request wait for the
// next one, before those that came later. It keeps its slot.
func (p *Pool) again(l *Lease) {
	if l.place != granted {
		return
	}
	p.unbind(l)
	l.place = starved
	p.starved.restore(l)
	p.inVain(l.server)
	if p.closing {
		p.fail(ErrClosed, p.version)
	}
}

// lost notes that a server cannot make executors any more. Its exit is about to be told.
func (p *Pool) lost(s *server) {
	p.inVain(s)
	p.recycle(s, Ended)
}

// inVain counts what those who wait have waited for, if s has never served anybody.
func (p *Pool) inVain(s *server) {
	if s.served.Load() {
		return
	}
	for _, l := range p.starved.take(func(l *Lease) bool { l.vain++; return l.vain >= maxVain }) {
		p.slots--
		p.refuse(l, prefork.ErrGone)
	}
}
