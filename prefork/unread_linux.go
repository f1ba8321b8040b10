package prefork

import (
	"os"

	"golang.org/x/sys/unix"
)

// An Unread is our end of a pipe into which mostly nothing is written, as a script's stderr.
// Until somebody reads it the runtime's poller is not told of it, which would wake a
// thread when the script closes its end. One goroutine at a time may use it.
type Unread struct {
	fd   int
	file *os.File // has fd once somebody reads
}

// File returns the pipe, to be read. It is closed by Close, or by itself.
func (u *Unread) File() *os.File {
	if u.file == nil {
		u.file = ourEnd(u.fd, "|0")
	}
	return u.file
}

// Over reports whether nothing is in the pipe, and nobody has its other end.
func (u *Unread) Over() bool {
	fds := []unix.PollFd{{Fd: int32(u.fd), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
	n, err := unix.Poll(fds, 0)
	return n > 0 && err == nil && fds[0].Revents&unix.POLLIN == 0
}

// Close closes our end, once.
func (u *Unread) Close() error {
	if u.file != nil {
		return u.file.Close()
	}
	return unix.Close(u.fd)
}
