package prefork

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A child is a program that we executed ourselves: it leads a session and a
// process group of its own, and only wait makes it gone.
type child struct {
	pid   int
	pidfd *os.File // readable when the process has ended
	atEnd func()   // called just before the process is reaped; may be nil

	mu     sync.Mutex
	reaped bool // its number may belong to somebody else now
	doomed bool // what is left of its group dies with it
}

// spawn executes program with files as its descriptors 0, 1, 2 and so on.
// The files stay the caller's.
func spawn(program string, argv []string, dir string, env []string, files []int) (*child, error) {
	defaultSIGPIPE()
	if err := closeInherited(); err != nil {
		return nil, err
	}
	fds := make([]uintptr, len(files))
	for i, fd := range files {
		fds[i] = uintptr(fd)
	}
	pidfd := -1
	attr := &syscall.ProcAttr{
		Dir: dir, Env: env, Files: fds,
		Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd},
	}
	reapOrphans()
	children.RLock()
	defer children.RUnlock()
	var pid int
	err := withoutAmbient(func() (err error) {
		pid, err = syscall.ForkExec(program, argv, attr)
		return err
	})
	if err != nil {
		return nil, err
	}
	if pidfd < 0 {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		return nil, ErrUnsupported
	}
	c := &child{pid: pid, pidfd: ourEnd(pidfd, "pidfd")}
	children.pids.Store(pid, c)
	return c, nil
}

// wait returns when the process has been reaped. It is called once.
func (c *child) wait() Status {
	c.awaitEnd()
	return c.reap()
}

// awaitEnd returns when the process has ended, and is to be reaped. While it waits no
// thread is blocked: the poller watches the pidfd.
func (c *child) awaitEnd() {
	if conn, err := c.pidfd.SyscallConn(); err == nil {
		_ = conn.Read(func(uintptr) bool { return c.ended() })
	}
}

// ended reports whether the process waits to be reaped, and leaves it so.
func (c *child) ended() bool {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, c.pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err != nil || info.Signo != 0
		}
	}
}

// reap collects the exit status, once. Until the last step the number is still the
// process's own, so what goes by number is done before.
func (c *child) reap() Status {
	defer c.pidfd.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.doomed {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	}
	if c.atEnd != nil {
		c.atEnd()
	}
	c.reaped = true
	defer children.pids.CompareAndDelete(c.pid, c)
	for {
		var wait syscall.WaitStatus
		var used syscall.Rusage
		_, err := syscall.Wait4(c.pid, &wait, 0, &used)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return Status{Lost: true}
		}
		status := decodeStatus(uint32(wait))
		status.Usage = &Usage{
			User:       time.Duration(used.Utime.Nano()),
			System:     time.Duration(used.Stime.Nano()),
			PeakMemory: int64(used.Maxrss) << 10, //nolint:unconvert // is narrower on some architectures
		}
		return status
	}
}

// doom sends sig to the process group, and has the rest of the group killed when
// the process has ended. After that it does nothing.
func (c *child) doom(sig syscall.Signal) {
	c.unreaped(func() {
		c.doomed = true
		_ = syscall.Kill(-c.pid, sig)
	})
}

// unreaped calls f unless the process has been reaped, which it is not meanwhile: its number
// is its own.
func (c *child) unreaped(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		f()
	}
}

// hasMemory reports whether the process lives and has not begun to end.
func (c *child) hasMemory() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.reaped && hasMemory(c.pid)
}

// defaultSIGPIPE makes SIGPIPE a signal that we handle. Caddy ignores it, and an
// ignored signal stays ignored across exec, where a script that writes to a
// closed pipe would then spin; a handled one is default again. To us the two
// are the same: a failed write is an error and nothing else.
func defaultSIGPIPE() {
	if signal.Ignored(syscall.SIGPIPE) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	}
}

// closeInherited marks the descriptors close-on-exec that were open when this
// program was started: a service manager's sockets, a shell's files. All that
// are opened later are marked from birth.
var closeInherited = untilDone(func() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
})

// withoutAmbient calls fork on a thread that has no ambient capabilities: those
// that a service manager gave us would survive exec and reach every script.
// The thread is not used again.
func withoutAmbient(fork func() error) error {
	if !hasAmbient() {
		return fork()
	}
	result := make(chan error, 1)
	go func() { // until fork has returned
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
			result <- fmt.Errorf("cannot clear ambient capabilities: %w", err)
			return
		}
		result <- fork()
	}()
	return <-result
}

// hasAmbient reports whether this process was given ambient capabilities.
var hasAmbient = sync.OnceValue(func() bool {
	for capability := range unix.CAP_LAST_CAP + 1 {
		set, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(capability), 0, 0)
		if err == nil && set == 1 {
			return true
		}
	}
	return false
})

// signalName returns the name of a signal, such as SIGKILL.
func signalName(n int) string {
	if name := unix.SignalName(syscall.Signal(n)); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", n)
}
