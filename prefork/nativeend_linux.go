package prefork

import (
	"syscall"
	"time"
)

// How long a native executor may run is not its server's business: it is interrupted, or given more
// time, by its number and pidfd.

// Interrupt implements [Call].
func (e *nativeExecutor) Interrupt(signal syscall.Signal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.interrupted.Store(true)
	if !e.ended.Load() {
		e.kin.note(e.pid)
		e.signal(signal, true)
	}
}

// Kill implements [Call]. The executor may have left the group that it led. It is stopped
// first, or it would start another process while it is looked at.
func (e *nativeExecutor) Kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.interrupted.Store(true)
	if !e.ended.Load() {
		e.signal(syscall.SIGSTOP, false)
		e.kin.note(e.pid)
		e.signal(syscall.SIGKILL, false)
		e.signal(syscall.SIGKILL, true)
	}
}

// signal sends a signal to the process, or to its group: by pidfd, and for want of descriptors by its
// number. It is called with the mutex held.
func (e *nativeExecutor) signal(signal syscall.Signal, group bool) {
	_ = e.attend()
	switch {
	case e.peer != nil && group:
		e.peer.signalGroup(signal)
	case e.peer != nil:
		_ = e.peer.signal(signal)
	case group:
		_ = syscall.Kill(-e.pid, signal)
	default:
		_ = syscall.Kill(e.pid, signal)
	}
}

// clear ends what an executor has started that was interrupted and has ended. Until it is reaped its
// number is its own.
func (e *nativeExecutor) clear() {
	e.kin.end(e.pid)
	e.mu.Lock()
	e.clearing = false
	e.mu.Unlock()
}

// is reports whether the process has this number, and has not ended.
func (e *nativeExecutor) is(pid int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pid == pid && !e.ended.Load()
}

// extend gives the request that runs more time, if its owner agrees.
func (e *nativeExecutor) extend(more time.Duration) bool {
	e.mu.Lock()
	extender := e.extender
	runs := e.tell != nil
	e.mu.Unlock()
	return runs && extender != nil && extender.Extend(more)
}
