package prefork

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A vigil waits for what happens to the executors of a server: one epoll instance, and so
// one goroutine, for all of them. The runtime's poller would wake a thread for
// each thing that happens to a descriptor; this one does for what is asked, and never
// for a greeting.
type vigil struct{ epoll *os.File }

// newVigil makes one that watches nothing yet.
func newVigil() (*vigil, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot watch executors: %w", err)
	}
	return &vigil{ourEnd(fd, "vigil")}, nil
}

// hungUp is that the other end of a socket is closed.
const hungUp = unix.EPOLLRDHUP

// watch has wait return id when one of events comes to fd, once for each time, until fd is
// closed. It fails as does the kernel, for want of memory.
func (v *vigil) watch(op, fd int, events uint32, id uint32) error {
	conn, err := v.epoll.SyscallConn()
	if err != nil {
		return err
	}
	event := unix.EpollEvent{Events: events | unix.EPOLLET, Fd: int32(id)} //nolint:gosec // comes back as it is
	errCtl := conn.Control(func(epoll uintptr) { err = unix.EpollCtl(int(epoll), op, fd, &event) })
	if errCtl != nil {
		return errCtl
	}
	return err
}

// wait returns the ids of those to whom something has happened; none after close. A
// descriptor that has been closed may still be told of.
func (v *vigil) wait(ids []uint32) []uint32 {
	conn, err := v.epoll.SyscallConn()
	if err != nil {
		return nil
	}
	ids = ids[:0]
	var events [32]unix.EpollEvent
	_ = conn.Read(func(epoll uintptr) bool {
		n, err := unix.EpollWait(int(epoll), events[:], 0)
		for i := range max(n, 0) {
			ids = append(ids, uint32(events[i].Fd)) //nolint:gosec // it was one
		}
		return n > 0 || err != nil && !again(err)
	})
	return ids
}

// close ends wait.
func (v *vigil) close() { _ = v.epoll.Close() }
