package prefork

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// children are the processes that we started and have not reaped yet. spawn holds
// the lock for reading from before the fork until its child is noted, so that whoever
// holds it for writing knows them all.
var children struct {
	sync.RWMutex
	pids sync.Map // int to *child
}

// reapOrphans has this program reap what the kernel gives it when it is process 1
// of a container: what a script has left behind when it ended, and v1 servers,
// which daemonise. Nobody else would, and each would stay as a zombie.
//
// Children of other parts of this program are in its own session and are left
// alone; so are our own, which somebody waits for.
var reapOrphans = sync.OnceFunc(func() {
	if os.Getpid() != 1 {
		return
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() { // as long as the program
		for range ended {
			sweepOrphans()
		}
	}()
})

// sweepOrphans reaps those zombies that are orphans.
func sweepOrphans() {
	session, err := unix.Getsid(0)
	if err != nil {
		return
	}
	for _, pid := range processes() {
		children.Lock()
		if _, ours := children.pids.Load(pid); !ours && isOrphan(pid, session) {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
		children.Unlock()
	}
}

// isOrphan reports whether a process is a zombie that is our child without being
// of our session.
func isOrphan(pid, session int) bool {
	stat, ok := statOf(pid)
	return ok && stat.state == "Z" && stat.parent == os.Getpid() && stat.session != session
}
