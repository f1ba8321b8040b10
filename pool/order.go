package pool

import (
	"context"
	"errors"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// How executors are made: by whoever has sent the message that wants one, when the pool's mutex is free
// again. That of a new server's first request is made at once.

// An order is for one executor.
type order struct {
	server   *server
	room     *share // of the budget
	wait     time.Duration
	requests int
}

// makeExecutor has one made, if the budget has room. A library that makes no more at once than
// it allows may take as long as a request may wait for a free executor.
func (p *Pool) makeExecutor(s *server) bool {
	room := p.account.take(p.wishFor(s))
	if room == nil {
		return false
	}
	s.making++
	p.orders = append(p.orders, order{s, room, p.limits.QueueWait, p.limits.MaxRequests})
	return true
}

// fill makes an executor. It waits for that. It is not for messages.
func (p *Pool) fill(o order) {
	ctx, cancel := context.WithTimeout(o.server.life, o.wait)
	defer cancel()
	made, err := o.server.proc.Park(ctx, o.requests)
	o.done(made, err)
	if !p.send(func() { p.made(o, made, err) }) && err == nil {
		made.Dismiss()
	}
}

// fillAtOnce is fill if that does not wait. If it would it reports false, having done
// nothing.
func (p *Pool) fillAtOnce(o order) bool {
	if !o.server.info.Parks {
		return false
	}
	made, err := o.server.proc.Park(atOnce{done, time.Now().Add(o.wait)}, o.requests)
	if errors.Is(err, context.Canceled) {
		return false
	}
	o.done(made, err)
	if !p.ask(func() { p.made(o, made, err) }) && err == nil {
		made.Dismiss()
	}
	return true
}

// forkEarly has a new server fork an executor for the first who waits, while this process is
// about to look at what setup has loaded: mostly there is another processor. If that cannot be, or
// fails, it is done and told in its turn.
func (p *Pool) forkEarly(s *server) {
	if p.waitingFor(s) == 0 || !s.info.Mode.Warm() || !s.info.Parks {
		return
	}
	o := order{server: s, room: p.account.take(p.wishFor(s)), wait: p.limits.QueueWait, requests: p.limits.MaxRequests}
	if o.room == nil {
		return
	}
	made, err := s.proc.Park(atOnce{done, time.Now().Add(o.wait)}, o.requests)
	o.done(made, err)
	if err == nil {
		p.keep(o, made)
	}
}

// keep notes that an executor waits.
func (p *Pool) keep(o order, e prefork.Executor) {
	now := time.Now()
	o.server.parked = append(o.server.parked, &executor{Executor: e, born: now, since: now, share: o.room})
}

// done has the room given back when nothing is left of what has been made.
func (o order) done(made prefork.Executor, err error) {
	if err == nil {
		made.WhenGone(o.room.give)
	} else {
		o.room.give()
	}
}

// atOnce is a context for what may not wait now, but until a time later.
type atOnce struct {
	context.Context //nolint:containedctx // it is one
	until           time.Time
}

// Deadline implements [context.Context].
func (a atOnce) Deadline() (time.Time, bool) { return a.until, true }

// done is a context that is done.
var done = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// made takes a new executor.
func (p *Pool) made(o order, e prefork.Executor, err error) {
	s := o.server
	s.making--
	switch {
	case err == nil && s == p.current:
		p.keep(o, e)
	case err == nil:
		e.Dismiss()
	case s != p.current: // and those who wait, wait for another
	case errors.Is(err, prefork.ErrGone):
		p.lost(s)
	case errors.Is(err, context.DeadlineExceeded): // as many run as the library allows
		p.notMade(p.overload(ErrQueueTimeout))
	default:
		p.isBarren(s, err)
		p.notMade(err)
	}
}

// isBarren notes that a server cannot make executors, and tells of the first.
func (p *Pool) isBarren(s *server, err error) {
	if !s.barren {
		s.barren = true
		p.observe(Event{Kind: NotMade, Info: s.info, Err: err})
	}
}

// notMade answers the one who has waited longest for an executor that cannot be made.
// Ahead of need none is made until somebody comes.
func (p *Pool) notMade(err error) {
	p.target = 0
	if len(p.starved) == 0 {
		return
	}
	p.slots--
	p.refuse(p.starved.pop(), err)
}
