package prefork

import "os"

// streams are stdout and stderr of one execution: pipes, of which the script has the
// write ends.
type streams struct {
	stdout, stderr           *os.File // ours; whoever has the call closes them
	theirStdout, theirStderr *os.File
}

// newStreams makes both; on failure nothing stays open.
func newStreams() (*streams, error) {
	s := &streams{}
	var err error
	if s.stdout, s.theirStdout, err = NewPipe(); err != nil {
		return nil, err
	}
	if s.stderr, s.theirStderr, err = NewPipe(); err != nil {
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
func (s *streams) handedOver() { closeFiles(s.theirStdout, s.theirStderr) }

// abandon closes all.
func (s *streams) abandon() {
	s.handedOver()
	closeFiles(s.stdout, s.stderr)
}

// closeFiles closes those that are there. One that is closed already stays so.
func closeFiles(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
