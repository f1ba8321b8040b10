package pool

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// A server is a launched process, or the launch of one, as its pool sees it.
// All of it belongs to the pool's messages, but for served, and for info and proc,
// which do not change once the server is ready.
type server struct {
	pool    *Pool
	state   state
	version int // of the sources it was started from
	leases  int
	reason  Reason // why it takes no more leases
	share   *share // of the budget; nil without a process
	proc    prefork.Process
	info    prefork.Info
	served  atomic.Bool        // it has taken a call
	proved  bool               // a call of it was good
	blamed  bool               // its own end has been counted as a crash
	barren  bool               // it could not make its last executor
	frozen  bool               // its library does not look for changes
	began   time.Time          // its setup
	loaded  []string           // by its setup and its executors, as they say
	missed  []string           // where its setup would have loaded other files
	abort   context.CancelFunc // ends its setup
	kill    *time.Timer

	parked     []*executor // in the order in which they were parked
	making     int         // executors that are about to be
	starting   int         // leases that have one, and are about to start it
	aloneUntil time.Time   // its first request has a head start; zero when that is over
	life       context.Context
	die        context.CancelFunc // ends life: no more executors are made
}

// launchIfNeeded starts a setup if one is due.
func (p *Pool) launchIfNeeded() {
	now := time.Now()
	if at, wanted := p.launchAt(); !wanted || now.Before(at) {
		return
	}
	if err := p.backoff.refusal(now); err != nil {
		p.fail(err, p.version)
		return
	}
	if room := p.account.take(wish{setup, 1, p.worth.bytes}); room != nil {
		p.launch(now, room)
	}
}

// launchAt returns when a setup is to begin, if one is wanted: because somebody waits
// for a server, or because the current one is to be replaced while it serves.
func (p *Pool) launchAt() (at time.Time, wanted bool) {
	switch {
	case p.spawning:
		return at, false
	case len(p.starved) > p.waitingFor(p.current):
	case p.renew && p.current != nil:
	case p.outdated():
		at = p.replaceAt
	default:
		return at, false
	}
	if next := p.pace.next(); p.triedVersion < p.version && at.Before(next) {
		at = next
	}
	return at, true
}

// launch starts a setup of the sources as they are now, with room in the budget.
func (p *Pool) launch(now time.Time, room *share) {
	if p.sources.Load() == nil {
		p.version++
	} else {
		p.look()
	}
	p.readSources()
	if p.triedVersion < p.version {
		p.triedVersion = p.version
		p.pace.took(now)
	}
	// Processes outlive every request and every configuration.
	ctx, cancel := context.WithTimeout(context.Background(), p.limits.StartTimeout)
	s := &server{
		pool: p, state: spawning, version: p.version, abort: cancel, share: room,
		frozen: p.limits.Reload != Strict, began: time.Now(),
	}
	p.servers[s] = struct{}{}
	p.spawning, p.renew = true, false
	cmd := p.spec.Command
	cmd.Frozen = s.frozen
	cmd.Replaces = p.limits.Reload == Stale && p.current != nil && p.current.info.Mode.Warm()
	go func() { // until setup has ended, which ctx bounds
		defer cancel()
		proc, err := p.registry.launcher.Launch(ctx, cmd, p.listener(s))
		p.send(func() { p.launched(s, proc, err, time.Since(s.began)) })
	}()
}

// listener takes what a server says by itself. Its functions may be called at any time.
func (p *Pool) listener(s *server) prefork.Listener {
	return prefork.Listener{
		Output: func(line string) { p.observe(Event{Kind: Wrote, Line: line}) },
		Noted:  func(note string) { p.observe(Event{Kind: Noted, Line: note}) },
		Loaded: func(files []string) { p.send(func() { p.heard(s, files) }) },
		Missed: func(paths []string) { p.send(func() { s.miss(paths) }) },
	}
}

// launched makes a new server the current one, or answers those who waited.
func (p *Pool) launched(s *server, proc prefork.Process, err error, took time.Duration) {
	p.spawning = false
	p.setupOver()
	if err != nil {
		p.launchFailed(s, err, took)
		return
	}
	s.proc, s.info = proc, proc.Info()
	p.settleShare(s, took)
	s.life, s.die = context.WithCancel(context.Background())
	s.move(ready)
	p.forkEarly(s)
	p.adopt(s)
	p.backoff.ready()
	p.observe(Event{Kind: Launched, Info: s.info, Took: took})
	if p.settled(s) {
		p.succeed(s)
	} else {
		p.recycle(s, Changed)
	}
	go func() { // until the process is gone
		<-proc.Exited()
		p.send(func() { p.exited(s) })
	}()
}

// succeed makes s the current server.
func (p *Pool) succeed(s *server) {
	if old := p.current; old != nil {
		reason := Changed
		if old.version == s.version {
			reason = Asked
		}
		p.recycle(old, reason)
	}
	p.current = s
	now := time.Now()
	if len(p.starved) > 0 {
		s.aloneUntil = now.Add(headStart)
	}
	for _, l := range p.starved {
		l.since = now
	}
}

// settleShare notes what a server has turned out to need.
func (p *Pool) settleShare(s *server, took time.Duration) {
	defer p.value()
	p.worth.cost = took
	if !s.info.Mode.Warm() {
		s.giveShare() // there is no process
		return
	}
	p.worth.bytes = s.info.Memory.Own
	s.share.resize(s.info.Memory.Own)
}

func (s *server) giveShare() {
	if s.share != nil {
		s.share.give()
		s.share = nil
	}
}

func (p *Pool) launchFailed(s *server, err error, took time.Duration) {
	s.move(gone)
	s.giveShare()
	delete(p.servers, s)
	p.adopt(s)
	event := Event{Kind: LaunchFailed, Err: err, Took: took, Kept: p.current != nil}
	defer func() { p.observe(event) }()
	if s.version == p.version { // else the next one is of other sources
		if event.RetryIn = p.backoff.failed(time.Now(), err, p.registry.jitter()); event.RetryIn == 0 {
			return // and who waits goes on waiting
		}
		p.unrest = time.Time{}
	}
	p.failedVersion = s.version
	p.fail(err, s.version)
}

// recycle takes a ready server out of service.
func (p *Pool) recycle(s *server, reason Reason) {
	if s == p.current {
		p.current = nil
	}
	if s.state != ready {
		return
	}
	s.reason = reason
	s.move(draining)
	s.dismiss(len(s.parked))
	p.observe(Event{Kind: Recycled, Info: s.info, Reason: reason})
}

// exit asks a server without leases to end, and has it killed if it does not.
func (s *server) exit() {
	s.move(exiting)
	s.die()
	s.proc.Stop()
	s.kill = time.AfterFunc(s.pool.limits.Grace, s.proc.Kill)
}

// exited notes that a server is gone. Its calls go on without it.
func (p *Pool) exited(s *server) {
	s.die()
	s.dismiss(len(s.parked))
	if s.kill != nil {
		s.kill.Stop()
	}
	if s.state == ready {
		s.reason = Ended
	}
	if s == p.current {
		p.current = nil
	}
	s.move(gone)
	s.giveShare()
	delete(p.servers, s)
	if s.reason == Ended && !s.served.Load() {
		p.died(s)
	}
	p.observe(Event{Kind: Exited, Info: s.info, Reason: s.reason})
}
