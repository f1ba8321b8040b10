package prefork

import (
	"os"

	"golang.org/x/sys/unix"
)

// streams are stdout and stderr of one execution: pipes, of which the script has the
// write ends.
type streams struct {
	stdout                   *os.File // ours, and so is stderr; whoever has the call closes them
	stderr                   *Unread
	theirStdout, theirStderr int // -1 when closed
}

// newStreams makes both; on failure nothing stays open.
func newStreams() (*streams, error) {
	s := &streams{theirStdout: -1, theirStderr: -1}
	var err error
	if s.stdout, s.theirStdout, err = outputPipe(); err != nil {
		return nil, err
	}
	r, w, err := rawPipe()
	if err != nil {
		s.abandon()
		return nil, err
	}
	s.stderr, s.theirStderr = &Unread{fd: r}, w
	return s, nil
}

// Stdout implements [Call].
func (s *streams) Stdout() *os.File { return s.stdout }

// Stderr implements [Call].
func (s *streams) Stderr() *Unread { return s.stderr }

// whole is the size that a script library gives to stdout when all has been written that
// will be; see docs/protocol.md. No pipe has it by itself.
const whole = 32768

// isWhole reports whether the library has said so.
func (s *streams) isWhole() bool {
	conn, err := s.stdout.SyscallConn()
	if err != nil {
		return false
	}
	size := 0
	_ = conn.Control(func(fd uintptr) { size, _ = unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0) })
	return size == whole
}

// handedOver closes the script's ends, which the script has by now.
func (s *streams) handedOver() {
	for _, fd := range []*int{&s.theirStdout, &s.theirStderr} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
}

// abandon closes all.
func (s *streams) abandon() {
	s.handedOver()
	_ = s.stdout.Close()
	if s.stderr != nil {
		_ = s.stderr.Close()
	}
}
