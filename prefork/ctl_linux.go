package prefork

import "time"

// What a native server is told.

// sendFork sends the message and the four descriptors that belong to it. Stdin comes
// with the request; until then it is /dev/null. If it fails the server ends.
func (s *native) sendFork(e *nativeExecutor, call, stdin int) (err error) {
	message := appendFork(nil, e.id, e.left)
	reaps := appendReaps(nil, s.unlessLost(s.sweep()))
	fds := []int{call, stdin, e.streams.theirStdout, e.streams.theirStderr}
	s.writing.Lock()
	if s.together {
		err = s.tell(append(message, reaps...), fds...)
	} else {
		err = s.tell(append(reaps, message...))
		for _, fd := range fds {
			if err == nil {
				err = s.tell([]byte{0}, fd)
			}
		}
	}
	s.writing.Unlock()
	e.streams.handedOver()
	if isHangUp(err) {
		return ErrGone
	}
	return err
}

// reap has the server wait for executors that have ended, or are about to.
func (s *native) reap(ids []uint32) {
	if message := appendReaps(nil, ids); len(message) > 0 {
		s.writing.Lock()
		defer s.writing.Unlock()
		_ = s.tell(message) // a server that cannot be told is gone, and attend tells who waits
	}
}

// appendReaps appends a message for each of these executors.
func appendReaps(message []byte, ids []uint32) []byte {
	for _, id := range ids {
		message = appendNumbers(message, typeReap, id)
	}
	return message
}

// ctlPatience is how long a server may leave ctl full. It holds hundreds of
// messages, so only one that was stopped does that.
const ctlPatience = 10 * time.Second

// tell writes to ctl, with descriptors. That is not bound to a request: half a message would
// make nonsense of all that follows, so a server that does not take a whole one is killed. It is
// called with the mutex for writing held.
func (s *native) tell(message []byte, fds ...int) error {
	n, err := s.ctl.sendReady(message, fds...)
	if again(err) || err == nil && n < len(message) {
		_ = s.ctl.SetWriteDeadline(time.Now().Add(ctlPatience))
		if n > 0 {
			fds = nil
		}
		err = s.ctl.send(message[n:], fds...)
	}
	if err != nil {
		s.Kill()
	}
	return err
}
