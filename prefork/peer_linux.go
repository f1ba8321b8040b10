package prefork

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A peer is a process that is not our child: the server or a monitor of a v1
// script. We know it by a pidfd, taken while it was waiting for us, so a number
// that is used again is never signalled by mistake.
type peer struct {
	pid   int
	pidfd *os.File // readable when the process has ended
}

// newPeer takes hold of pid, which must be alive now. With the flag unix.PIDFD_NONBLOCK
// its end can be waited for.
func newPeer(pid, flags int) (*peer, error) {
	fd, err := unix.PidfdOpen(pid, flags) // number 0 is no process's, and refused
	if err != nil {
		return nil, err
	}
	return &peer{pid: pid, pidfd: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// close lets go; the process goes on. Signals after it do nothing.
func (p *peer) close() { _ = p.pidfd.Close() }

// wait returns when the process has ended, or after close.
func (p *peer) wait() {
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Read(func(fd uintptr) bool { return readable(int(fd)) })
}

// hasMemory reports whether the process lives and has not begun to end. The kernel
// takes a process's memory before it closes its files, so one that is killed has none
// by the time that anybody reads end-of-file from it.
func (p *peer) hasMemory() bool {
	if !hasMemory(p.pid) {
		return false
	}
	return !p.ended() // the number was its own, then
}

// ended reports whether the process has ended, or is not known any more.
func (p *peer) ended() bool {
	ended := true
	p.control(func(fd int) { ended = readable(fd) })
	return ended
}

// hasMemory reports whether there is a process with that number that has memory.
func hasMemory(pid int) bool {
	size, _, _ := memory(pid)
	return size > 0
}

// residentMemory returns a process's resident memory in bytes; 0 if not known.
func residentMemory(pid int) int64 { return memoryOf(pid).Resident }

// memoryOf returns what a process has in memory.
func memoryOf(pid int) Memory {
	_, resident, shared := memory(pid)
	page := int64(os.Getpagesize())
	return Memory{Resident: resident * page, Own: (resident - shared) * page}
}

// memory returns the size of a process, its resident memory, and the part of that which
// belongs to files, in pages: see /proc/PID/statm in proc(5). All are 0 if the process has
// none any more.
func memory(pid int) (size, resident, shared int64) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/statm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0, 0
	}
	defer func() { _ = unix.Close(fd) }()
	var text [128]byte
	n, err := unix.Read(fd, text[:])
	if err != nil {
		return 0, 0, 0
	}
	fields := strings.Fields(string(text[:n]))
	if len(fields) < 3 {
		return 0, 0, 0
	}
	size, _ = strconv.ParseInt(fields[0], 10, 64)
	resident, _ = strconv.ParseInt(fields[1], 10, 64)
	shared, _ = strconv.ParseInt(fields[2], 10, 64)
	return size, resident, shared
}

// readable reports whether a descriptor can be read without waiting.
func readable(fd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) //nolint:gosec // descriptors are small
	return n > 0 && err == nil
}

// signal sends sig to the process.
func (p *peer) signal(sig syscall.Signal) (err error) {
	p.control(func(fd int) { err = unix.PidfdSendSignal(fd, sig, nil, 0) })
	return err
}

// signalGroup sends sig to the process group that the process leads, or led: a
// group keeps its number while anybody is in it. Linux before 6.9 cannot do
// that by pidfd; there the number is used, which only a wrap-around of all
// process numbers within one call could make somebody else's.
func (p *peer) signalGroup(sig syscall.Signal) {
	p.control(func(fd int) {
		err := unix.PidfdSendSignal(fd, sig, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
		if errors.Is(err, unix.EINVAL) {
			_ = syscall.Kill(-p.pid, sig)
		}
	})
}

func (p *peer) control(f func(fd int)) {
	if conn, err := p.pidfd.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// onlyChild returns the process number of a process's child; 0 if it has none.
func onlyChild(pid int) int {
	if children := childrenOf(pid); len(children) > 0 {
		return children[0]
	}
	return 0
}
