package prefork

import (
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Between fork and execve a process has all our descriptors. This test plays one.
func TestProcessThatIsBeingStartedHoldsNoSentinel(t *testing.T) {
	r, w, err := rawPipe()
	if err != nil {
		t.Fatal(err)
	}
	e := &ends{sentinel: ourEnd(r, "sentinel")}
	defer e.sentinel.Close()

	syscall.ForkLock.Lock() // as ForkExec has it until the program is executed
	held := make(chan bool)
	go func() { held <- e.sentinelHeld() }()
	for stacks := make([]byte, 1<<20); ; runtime.Gosched() {
		all := string(stacks[:runtime.Stack(stacks, true)])
		if strings.Contains(all, "RLock") && strings.Contains(all, "sentinelHeld") {
			break
		}
		select {
		case <-held:
			t.Fatal("a process that is being started was not waited for")
		default:
		}
	}
	if err := unix.Close(w); err != nil {
		t.Fatal(err)
	}
	syscall.ForkLock.Unlock()
	if <-held {
		t.Error("the sentinel is held by nobody")
	}
}
