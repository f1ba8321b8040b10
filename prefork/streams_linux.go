package prefork

import (
	"os"

	"golang.org/x/sys/unix"
)

// streams are stdout and stderr of one execution: pipes, of which the script has the
// write ends.
type streams struct {
	stdout, stderr           *os.File // ours; whoever has the call closes them
	theirStdout, theirStderr int      // -1 when closed
}

// newStreams makes both; on failure nothing stays open.
func newStreams() (*streams, error) {
	s := &streams{theirStdout: -1, theirStderr: -1}
	var err error
	if s.stdout, s.theirStdout, err = outputPipe(); err != nil {
		return nil, err
	}
	if s.stderr, s.theirStderr, err = outputPipe(); err != nil {
		s.abandon()
		return nil, err
	}
	return s, nil
}

// Stdout implements [Call].
func (s *streams) Stdout() *os.File { return s.stdout }

// Stderr implements [Call].
func (s *streams) Stderr() *os.File { return s.stderr }

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
	for _, f := range []*os.File{s.stdout, s.stderr} {
		if f != nil {
			_ = f.Close()
		}
	}
}
