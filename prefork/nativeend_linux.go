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
		e.kin.note(e.peer.pid)
		e.peer.signalGroup(signal)
	}
}

// Kill implements [Call]. The executor may have left the group that it led. It is stopped
// first, or it would start another process while it is looked at.
func (e *nativeExecutor) Kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.interrupted.Store(true)
	if !e.ended.Load() {
		_ = e.peer.signal(syscall.SIGSTOP)
		e.kin.note(e.peer.pid)
		_ = e.peer.signal(syscall.SIGKILL)
		e.peer.signalGroup(syscall.SIGKILL)
	}
}

// clear ends what an executor has started that was interrupted and has ended. Until it is reaped its
// number is its own.
func (e *nativeExecutor) clear() {
	e.kin.end(e.peer.pid)
	e.mu.Lock()
	e.clearing = false
	e.mu.Unlock()
}

// is reports whether the process has this number, and has not ended.
func (e *nativeExecutor) is(pid int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.peer != nil && e.peer.pid == pid && !e.ended.Load()
}

// extend gives the request that runs more time, if its owner agrees.
func (e *nativeExecutor) extend(more time.Duration) bool {
	e.mu.Lock()
	extender := e.extender
	runs := e.tell != nil
	e.mu.Unlock()
	return runs && extender != nil && extender.Extend(more)
}
