package prefork

import (
	"errors"
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

// A happening is that something has come to an executor's call socket, or that the
// process has ended.
type happening struct {
	id    uint32
	ended bool
}

// watchCall has wait return an executor when one of events comes to its call socket, each
// time, until that is closed. op is unix.EPOLL_CTL_ADD, or EPOLL_CTL_MOD later.
func (v *vigil) watchCall(op, call int, events uint32, id uint32) error {
	return v.watch(op, call, unix.EpollEvent{Events: events | unix.EPOLLET, Fd: int32(id)}) //nolint:gosec // comes back as it is
}

// watchEnd has wait return an executor when its process has ended, once: a pidfd tells
// again when it is reaped.
func (v *vigil) watchEnd(p *peer, id uint32) (err error) {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(id), Pad: 1} //nolint:gosec // the same
	p.control(func(fd int) { err = v.watch(unix.EPOLL_CTL_ADD, fd, event) })
	return err
}

func (v *vigil) watch(op, fd int, event unix.EpollEvent) error {
	conn, err := v.epoll.SyscallConn()
	if err != nil {
		return err
	}
	errControl := conn.Control(func(epoll uintptr) { err = unix.EpollCtl(int(epoll), op, fd, &event) })
	return errors.Join(errControl, err)
}

// wait returns what has happened; nothing after close. A socket that has been closed may
// still be told of.
func (v *vigil) wait(all []happening) []happening {
	conn, err := v.epoll.SyscallConn()
	if err != nil {
		return nil
	}
	all = all[:0]
	var events [32]unix.EpollEvent
	_ = conn.Read(func(epoll uintptr) bool {
		n, err := unix.EpollWait(int(epoll), events[:], 0)
		for i := range max(n, 0) {
			all = append(all, happening{uint32(events[i].Fd), events[i].Pad != 0}) //nolint:gosec // it was one
		}
		return n > 0 || err != nil && !again(err)
	})
	return all
}

// close ends wait.
func (v *vigil) close() { _ = v.epoll.Close() }
