package pool

import "time"

// How messages are executed. What they say is the pool's.

// send executes a message, which alone may touch the pool then, and brings the pool
// to where it has to wait for the next. It reports false when the pool has ended.
//
// Whoever sends a message executes it. A goroutine of the pool's own would do the same
// at the price of being woken, several times for each request.
func (p *Pool) send(message func()) bool {
	orders, ok := p.execute(message)
	for _, o := range orders {
		go p.fill(o) // until it is there, or cannot be had
	}
	return ok
}

// ask is send for a request. What is to be made then, which is mostly one executor, for
// this request or for the next, it makes by itself, if that does not wait.
func (p *Pool) ask(message func()) bool {
	orders, ok := p.execute(message)
	for i, o := range orders {
		if i > 0 || !p.fillAtOnce(o) {
			go p.fill(o) // until it is there, or cannot be had
		}
	}
	return ok
}

// execute returns what is to be made outside of the mutex.
func (p *Pool) execute(message func()) (orders []order, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil, false
	}
	message()
	p.settle()
	if p.over() {
		p.ended = true
		p.timer.Stop()
		p.account.close()
		if p.wanted {
			p.registry.lulls.ended(p.ident, time.Now(), p.limits.IdleTimeout)
		}
		p.registry.forget(p)
		close(p.done)
	} else {
		p.arm()
	}
	orders, p.orders = p.orders, nil
	return orders, true
}

// arm sets the timer, if the next deadline is before the time that it is set to. One that
// has moved away leaves it as it is: each change may wake a thread, and most deadlines
// move with each request.
func (p *Pool) arm() {
	wait := p.untilDeadline()
	if at := time.Now().Add(wait); wait < forever && (p.armed.IsZero() || at.Before(p.armed)) {
		p.timer.Reset(wait)
		p.armed = at
	}
}
