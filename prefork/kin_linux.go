package prefork

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A kin is what an execution has started, to be ended with it if it is interrupted:
//
//	its descendants               wherever they have gone: by the kernel's list of children
//	its process group or session  whoever has lost his parent meanwhile, too
//
// Who has left both is not found: a daemon, as double fork and setsid make one. The kernel
// has forgotten whose it was.
type kin struct {
	session bool // all of the leader's session belong to it, and not only of its group

	mu    sync.Mutex // guards what follows
	peers map[int]*peer
}

// note takes hold of the descendants that there are now, and returns those that were not
// known. The number of the leader must be its own meanwhile. When the leader has ended
// its children are the kernel's to give away, so it is called before.
func (k *kin) note(leader int) []*peer {
	k.mu.Lock()
	defer k.mu.Unlock()
	found := k.adopt(leader)
	for _, p := range k.peers {
		children := childrenOf(p.pid)
		if len(children) > 0 && !p.ended() { // the number was its own, then
			found = append(found, k.adopt(p.pid)...)
		}
	}
	return found
}

// adopt takes hold of the descendants of a process. It is called with the mutex held.
func (k *kin) adopt(ancestor int) (found []*peer) {
	parents := []int{ancestor}
	for len(parents) > 0 {
		parent := parents[0]
		parents = parents[1:]
		for _, pid := range childrenOf(parent) {
			p := k.take(pid, func() bool {
				s, ok := statOf(pid)
				return ok && s.parent == parent
			})
			if p != nil {
				found, parents = append(found, p), append(parents, pid)
			}
		}
	}
	return found
}

// noteMembers is note for the group, or session, of the leader. It looks at all processes.
func (k *kin) noteMembers(leader int) (found []*peer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, pid := range processes() {
		belongs := func() bool { return k.leader(pid) == leader }
		if pid == leader || !belongs() {
			continue
		}
		if p := k.take(pid, belongs); p != nil {
			found = append(found, p)
		}
	}
	return found
}

// leader returns the leader of the group, or session, of a process; 0 if that is not known.
func (k *kin) leader(pid int) int {
	of := unix.Getpgid
	if k.session {
		of = unix.Getsid
	}
	leader, err := of(pid)
	if err != nil {
		return 0
	}
	return leader
}

// take takes hold of a process, if it is what ours confirms and not known yet. It is
// called with the mutex held.
func (k *kin) take(pid int, ours func() bool) *peer {
	known := k.peers[pid]
	if known != nil && !known.ended() {
		return nil
	}
	p, err := newPeer(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil
	}
	if !ours() || p.ended() {
		p.close()
		return nil
	}
	if known != nil {
		known.close()
	}
	if k.peers == nil {
		k.peers = map[int]*peer{}
	}
	k.peers[pid] = p
	return p
}

// end kills all, and returns when they have ended. What is found is stopped before it is
// looked for more, so nobody starts another meanwhile. leader is 0 if that number may be
// somebody else's by now. Afterwards nothing is held.
func (k *kin) end(leader int) {
	for {
		found := k.note(leader)
		if leader != 0 {
			found = append(found, k.noteMembers(leader)...)
		}
		if len(found) == 0 {
			break
		}
		for _, p := range found {
			_ = p.signal(syscall.SIGSTOP)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.peers {
		if errors.Is(p.signal(syscall.SIGKILL), unix.EPERM) {
			p.close() // it has become another user's, and is not ours to end or to wait for
		}
	}
	for _, p := range k.peers {
		p.wait()
		p.close()
	}
	clear(k.peers)
}

// childrenOf returns the children of all threads of a process.
func childrenOf(pid int) (children []int) {
	tasks := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, err := os.ReadDir(tasks)
	if err != nil {
		return nil
	}
	for _, thread := range threads {
		text, err := os.ReadFile(tasks + "/" + thread.Name() + "/children")
		if err != nil {
			continue
		}
		for number := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(number); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}
