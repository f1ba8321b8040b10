package prefork

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// A tap reads what a setup with an automatic fork point writes to its standard
// output: nothing, or the script cannot be warm. What comes after the fork point,
// from a server that has been found good, becomes lines like all that it says.
type tap struct {
	pipe *os.File

	mu      sync.Mutex
	written bool
	lines   *LineWriter // nil up to the fork point
}

// newTap starts to read. It ends with the last holder of the pipe's other end, or
// when the pipe is closed, and closes it.
func newTap(pipe *os.File) *tap {
	t := &tap{pipe: pipe}
	go t.run() // until end-of-file
	return t
}

func (t *tap) run() {
	defer t.pipe.Close()
	conn, err := t.pipe.SyscallConn()
	if err != nil {
		return
	}
	b := make([]byte, 4<<10)
	for over := false; !over && err == nil; {
		err = conn.Read(func(fd uintptr) bool {
			var again bool
			over, again = t.take(int(fd), b)
			return !again
		})
	}
}

// take reads once. What has been read is known from then on.
func (t *tap) take(fd int, b []byte) (over, again bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := unix.Read(fd, b)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return false, true
	case errors.Is(err, unix.EINTR):
		return false, false
	case err != nil || n == 0:
		return true, false
	}
	t.written = true
	if t.lines != nil {
		_, _ = t.lines.Write(b[:n])
	}
	return false, false
}

// release reports whether nothing has been written up to now. If so, all that
// follows is passed on.
func (t *tap) release(output func(line string)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting := 0
	if conn, err := t.pipe.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { waiting, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	}
	if t.written || waiting > 0 {
		return false
	}
	t.lines = &LineWriter{Emit: output}
	return true
}
