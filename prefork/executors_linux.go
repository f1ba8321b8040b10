package prefork

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// The executors of a native server, from fork to end.

// register takes an executor up. From here on it counts until its end is heard.
func (s *native) register(e *nativeExecutor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := ErrGone
	if !s.stopped {
		for s.last++; s.executors[s.last] != nil; s.last++ {
		}
		e.id = s.last
		err = s.vigil.watchCall(unix.EPOLL_CTL_ADD, e.call, hungUp, e.id)
	}
	if err != nil {
		_ = unix.Close(e.call)
		s.leave()
		return err
	}
	s.executors[e.id] = e
	// The executor is in the server's session, and may outlive it.
	s.guard.hold()
	s.guard.watch(s.child.pid)
	return nil
}

// over tells an executor how it has ended.
func (s *native) over(id uint32, end ending) error {
	s.mu.Lock()
	e, ok := s.executors[id]
	delete(s.executors, id)
	if s.stopped && len(s.executors) == 0 {
		if s.lost {
			s.vigil.close()
		} else {
			s.ctl.shutdown(unix.SHUT_WR)
		}
	}
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("there is no executor %d", id)
	}
	e.over(end)
	return nil
}

// executorOf returns the executor with a process number, which lives; nil if there is none.
func (s *native) executorOf(pid int) *nativeExecutor {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.executors {
		if e.is(pid) {
			return e
		}
	}
	return nil
}

// watch has executors reaped that have ended, parked or not.
func (s *native) watch() {
	var all []happening
	for {
		if all = s.vigil.wait(all); len(all) == 0 {
			return
		}
		s.look(all...)
	}
}

// look looks at executors to whom something has happened.
func (s *native) look(all ...happening) {
	var ended []uint32
	for _, h := range all {
		s.mu.Lock()
		e := s.executors[h.id]
		s.mu.Unlock()
		switch {
		case e == nil || !e.look(h.ended):
		case e.interrupted.Load():
			go func() { // until what it has started is gone
				e.clear()
				s.collect(e.id)
			}()
		default:
			ended = append(ended, h.id)
		}
	}
	s.collect(ended...)
}

// collect has executors reaped that have ended, or are about to.
func (s *native) collect(ended ...uint32) {
	s.reap(s.unlessLost(ended))
}

// unlessLost returns executors to be reaped, or none when the server is gone: these are
// over, then.
func (s *native) unlessLost(ended []uint32) []uint32 {
	s.mu.Lock()
	lost := s.lost
	s.mu.Unlock()
	if !lost {
		return ended
	}
	for _, id := range ended {
		_ = s.over(id, ending{status: Status{Lost: true}}) // or attend has been there
	}
	return nil
}
