package prefork

import "time"

// What a native server is told.

// sendFork sends the message and the four descriptors that belong to it. Stdin comes
// with the request; until then it is /dev/null.
func (s *native) sendFork(e *nativeExecutor, call int) error {
	stdin, err := orNull(nil)
	if err != nil {
		return err
	}
	message := appendFork(nil, e.id, e.left)
	fds := []int{call, stdin, e.streams.theirStdout, e.streams.theirStderr}
	err = s.tell(func() error {
		if s.together {
			return s.ctl.send(message, fds...)
		}
		_, err = s.ctl.Write(message)
		for _, fd := range fds {
			if err == nil {
				err = s.ctl.send([]byte{0}, fd)
			}
		}
		return err
	})
	e.streams.handedOver()
	return err
}

// reap has the server wait for an executor that has ended, or is about to.
func (s *native) reap(id uint32) {
	// A server that cannot be told is gone, and attend tells who waits.
	_ = s.tell(func() error {
		_, err := s.ctl.Write(appendNumbers(nil, typeReap, id))
		return err
	})
}

// ctlPatience is how long a server may leave ctl full. It holds hundreds of
// messages, so only one that was stopped does that.
const ctlPatience = 10 * time.Second

// tell writes to ctl. That is not bound to a request: half a message would make
// nonsense of all that follows, so a server that does not take a whole one is killed.
func (s *native) tell(write func() error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.ctl.SetWriteDeadline(time.Now().Add(ctlPatience))
	err := write()
	if err != nil {
		s.Kill()
	}
	return err
}
