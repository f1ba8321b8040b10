package pool

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// What a pool thinks of a script whose processes are killed. Who is killed again and
// again before it has served anybody costs a setup each time, and helps nobody: it is
// in a crash loop, and backs off as if setup had failed. All of it is executed by send.
//
// A script that exits by itself is in no such loop, whatever its code and however little it
// has written: it may have looked at the request. Nor is one that was good once since its
// setup: else whoever knows which request kills it could keep others from it.

// judge takes from how a call has ended whether its server is any good. Nobody has
// interrupted the call.
func (p *Pool) judge(s *server, status prefork.Status) {
	switch {
	case status.Signal == int(syscall.SIGPIPE): // we had all we wanted, and it wrote more
	case status.Signal != 0:
		p.crashed(s, "an executor has ended by "+status.String())
	case status.Lost:
		p.died(s)
	default:
		s.proved = true
		if s.version == p.version {
			p.backoff.clear()
		}
	}
}

// died notes that a server has ended by itself before a call of it was good, once.
func (p *Pool) died(s *server) {
	if !s.blamed {
		s.blamed = true
		p.crashed(s, "the server has ended")
	}
}

// crashed counts a crash of a server, or of an executor of it. With too many of them the
// pool backs off; while it does so already, they are the same crash loop's.
func (p *Pool) crashed(s *server, how string) {
	now := time.Now()
	if p.closing || s.version != p.version || p.backoff.refusal(now) != nil {
		return
	}
	err := fmt.Errorf("it is killed each time before it has served a request: %s", how)
	wait := p.backoff.crashed(now, err, p.registry.jitter())
	if wait == 0 {
		return
	}
	p.observe(Event{Kind: CrashLoop, Info: s.info, Err: err, RetryIn: wait})
	p.recycle(s, Crashed)
}

// Retry has the pool of an ident, in the form of [Ident.String], forget what has failed,
// so that its script is started at the next request. The error is [ErrUnknown], or none.
func (r *Registry) Retry(ident string) error {
	return r.tell(ident, func(p *Pool) error {
		p.backoff.clear()
		return nil
	})
}

// Recycle has the pool of an ident replace its server by a new one of the same sources. The
// old one serves until the new one is ready, and stays if that fails.
//
// Errors: [ErrUnknown], [ErrNotServing].
func (r *Registry) Recycle(ident string) error {
	return r.tell(ident, func(p *Pool) error {
		if p.current == nil || p.closing {
			return ErrNotServing
		}
		p.backoff.clear()
		p.renew = true
		return nil
	})
}

// tell sends a message to the pool of an ident.
func (r *Registry) tell(ident string, message func(*Pool) error) error {
	pools := r.all()
	i := slices.IndexFunc(pools, func(p *Pool) bool { return p.ident.String() == ident })
	if i < 0 {
		return ErrUnknown
	}
	err := ErrUnknown
	pools[i].send(func() { err = message(pools[i]) })
	return err
}
