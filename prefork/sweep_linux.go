package prefork

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The ends of executors that nobody waits for. Most scripts end soon, and who has the whole answer does
// not ask when the process is gone. So it is not watched: it is looked at when the server is to be
// told something anyway, or a little later. To see each end at once takes a pidfd, a place
// in epoll, and two processes that are woken.
//
//	request ─▶ young ─┬─ its status has come, it is parked again
//	                  ├─ it leaves, and is gone ──────────────▶ reaped with the next message
//	                  └─ it takes longer, or somebody waits ──▶ attended: pidfd and socket are watched

// youth is how long an executor is not watched that runs.
const youth = 100 * time.Millisecond

// farewell is how long one may be gone that nobody has looked at.
const farewell = 10 * time.Millisecond

// A young executor has a request, since then.
type young struct {
	*nativeExecutor
	since time.Time
}

// started takes up an executor that has a request.
func (s *native) started(e *nativeExecutor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.young {
		if s.young[i].nativeExecutor == e { // it has returned, and has the next
			s.young[i].since = time.Now()
			return
		}
	}
	s.young = append(s.young, young{e, time.Now()})
	s.sweepIn(youth)
}

// leaving has one looked at soon that is about to leave, and gives its place to another.
func (s *native) leaving() {
	s.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepIn(farewell)
}

// sweepIn has a timer sweep after so long, or before. It is called with the mutex held.
func (s *native) sweepIn(wait time.Duration) {
	due := time.Now().Add(wait)
	switch {
	case s.sweeper == nil:
		s.sweeper = time.AfterFunc(wait, s.sweepDue)
	case s.due.IsZero() || due.Before(s.due):
		s.sweeper.Reset(wait)
	default:
		return
	}
	s.due = due
}

// sweepDue is called by the timer, which is not set again while there is nobody young. Who is that for too
// long could not be attended, for want of descriptors.
func (s *native) sweepDue() {
	s.collect(s.sweep()...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = time.Time{}
	for _, e := range s.young {
		switch left := youth - time.Since(e.since); {
		case e.leaves.Load():
			s.sweepIn(farewell)
		case left > 0:
			s.sweepIn(left)
		default:
			s.sweepIn(youth)
		}
	}
}

// sweep looks at who is young: it returns those that have left, to be reaped, and attends
// those that take longer.
func (s *native) sweep() (left []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stay := s.young[:0]
	for _, e := range s.young {
		switch hasLeft, stays := e.look(); {
		case hasLeft:
			left = append(left, e.id)
		case stays:
			stay = append(stay, e)
		}
	}
	clear(s.young[len(stay):])
	s.young = stay
	return left
}

// look reports whether the executor has left, or else whether sweep is to look at it again.
func (e young) look() (hasLeft, again bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.ended.Load() || e.isAttended(): // somebody else sees to it
		return false, false
	case e.leaves.Load() && hasEnded(e.pid):
		e.ended.Store(true)
		return true, false
	case time.Since(e.since) >= youth:
		return false, e.attend() != nil
	}
	return false, true
}

// hasEnded reports whether a process that has not been reaped has ended. If that cannot be learned it
// has not.
func hasEnded(pid int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	return readable(fd)
}

// Attend implements [Call]. If it fails for want of descriptors sweep tries again.
func (e *nativeExecutor) Attend() {
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = e.attend()
}

// isAttended reports whether the end of its request is watched for, or has come. It is called with
// the mutex held.
func (e *nativeExecutor) isAttended() bool {
	return e.peer != nil && (e.heard || e.left == 0 || e.tell == nil || e.call < 0)
}

// attend has the end of the request watched for. It is called with the mutex held, and so is hold.
func (e *nativeExecutor) attend() error {
	if err := e.hold(); err != nil || e.isAttended() || e.peer == nil {
		return err
	}
	e.heard = true
	return e.server.vigil.watchCall(unix.EPOLL_CTL_MOD, e.call, unix.EPOLLIN|hungUp, e.id)
}

// hold takes a pidfd of the process, and watches that from now on.
func (e *nativeExecutor) hold() error {
	if e.peer != nil || e.pid == 0 || e.ended.Load() {
		return nil
	}
	p, err := newPeer(e.pid, 0)
	if errors.Is(err, syscall.ESRCH) {
		return ErrGone // it was killed, and so was the server
	}
	if err != nil {
		return err
	}
	e.peer = p
	return e.server.vigil.watchEnd(p, e.id)
}

// adopt attends an executor whose server is gone, and reports whether its end will be seen. Its number
// may be another's by now, but not one in the server's session, or in its own.
func (e *nativeExecutor) adopt() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.peer != nil {
		return true
	}
	if e.hold() != nil || e.peer == nil {
		return false
	}
	session, err := unix.Getsid(e.pid)
	return err == nil && (session == e.server.child.pid || session == e.pid)
}
