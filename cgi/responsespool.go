package cgi

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// A ResponseSpool holds what a script has written and its client has not taken yet, so that
// the script need not wait for the client: up to 128 KiB in memory, and what is more in a
// file without a name. One goroutine writes and ends it, another reads and closes it. Its
// owner must Close it.
type ResponseSpool struct {
	mu      sync.Mutex // guards what follows
	changed sync.Cond

	memory  []byte // older than what is in the file
	out     []byte // what Next has returned
	file    fileRing
	flush   bool  // what has been written is to be sent on
	end     error // what comes after the rest; nil before End
	closed  bool
	failure error // why there is no file, or not all of it is used
}

// NewResponseSpool returns one whose file has up to size bytes. There is no file before
// it is needed.
func NewResponseSpool(size int64) *ResponseSpool {
	s := &ResponseSpool{file: fileRing{size: size}}
	s.changed.L = &s.mu
	return s
}

// Write stores p, and waits while there is no room for it. The only error is
// [io.ErrClosedPipe], when the spool has been closed.
func (s *ResponseSpool) Write(p []byte) (written int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for written < len(p) {
		if s.closed {
			return written, io.ErrClosedPipe
		}
		n := s.store(p[written:])
		if written += n; n > 0 {
			s.changed.Broadcast()
		} else {
			s.changed.Wait()
		}
	}
	return written, nil
}

// store stores as much as there is room for. It is called with the mutex held.
func (s *ResponseSpool) store(p []byte) int {
	if room := memoryLimit - len(s.memory); s.file.held == 0 && room > 0 {
		p = p[:min(len(p), room)]
		s.memory = append(s.memory, p...)
		return len(p)
	}
	if s.failure != nil {
		return 0 // memory has to do
	}
	n, err := s.file.write(p)
	if err != nil {
		s.failure = fmt.Errorf("cannot spool the response: %w", err)
	}
	return n
}

// Flush notes that what has been written is to be sent on.
func (s *ResponseSpool) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush = true
	s.changed.Broadcast()
}

// End notes that nothing more will be written, and why: [io.EOF] or an error.
func (s *ResponseSpool) End(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = err
	s.changed.Broadcast()
}

// Held returns how many bytes wait to be read.
func (s *ResponseSpool) Held() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.memory)) + s.file.held
}

// Next returns what has been written, in order, and waits until something has been; it is
// valid until the next call. If flush is true that, which may be nothing, is all that was
// written before Flush, and is to be sent on. After the rest err is what End was given, or that of
// reading the file.
func (s *ResponseSpool) Next() (p []byte, flush bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case len(s.memory) > 0:
			s.memory, s.out = s.out[:0], s.memory
		case s.file.held > 0:
			if s.out, err = s.file.read(s.out); err != nil {
				return nil, false, fmt.Errorf("cannot read the spooled response: %w", err)
			}
		case s.flush:
			s.out = s.out[:0]
		case s.end != nil:
			return nil, false, s.end
		default:
			s.changed.Wait()
			continue
		}
		if len(s.memory) == 0 && s.file.held == 0 {
			flush, s.flush = s.flush, false
		}
		s.changed.Broadcast()
		return s.out, flush, nil
	}
}

// Close gives back what holds the response. Who waits in Write, or writes later, is told.
func (s *ResponseSpool) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.file.close()
	s.changed.Broadcast()
}

// Failure returns why the file was not used, or not all of it; nil if it could be. Writers
// have waited for memory instead.
func (s *ResponseSpool) Failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// A fileRing is a file of a bounded size, which is made when something is written, and
// written over from its beginning where that has been read.
type fileRing struct {
	size        int64 // how large it may be
	file        *os.File
	start, held int64 // where what it holds begins, and how much that is
}

// write writes what there is room for.
func (r *fileRing) write(p []byte) (written int, err error) {
	if r.file == nil {
		if r.file, err = unnamedFile(); err != nil {
			return 0, err
		}
	}
	for written < len(p) && r.held < r.size && err == nil {
		at := (r.start + r.held) % r.size
		most := min(int64(len(p)-written), r.size-r.held, r.size-at)
		var n int
		n, err = r.file.WriteAt(p[written:written+int(most)], at)
		r.held += int64(n)
		written += n
	}
	return written, err
}

// read returns the oldest bytes that it holds, as many as may be kept in memory. They are
// in buffer's place, if that is large enough.
func (r *fileRing) read(buffer []byte) ([]byte, error) {
	if cap(buffer) < memoryLimit {
		buffer = make([]byte, memoryLimit)
	}
	buffer = buffer[:min(memoryLimit, r.held, r.size-r.start)]
	if _, err := r.file.ReadAt(buffer, r.start); err != nil {
		return nil, err
	}
	r.start = (r.start + int64(len(buffer))) % r.size
	if r.held -= int64(len(buffer)); r.held == 0 {
		r.start = 0 // where it has blocks already
	}
	return buffer, nil
}

func (r *fileRing) close() {
	if r.file != nil {
		_ = r.file.Close()
	}
}
