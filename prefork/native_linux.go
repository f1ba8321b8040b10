package prefork

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A native is the warm process of a script whose library speaks the native
// dialect. It is our child, and the parent of its executors.
type native struct {
	ctl      *socket
	vigil    *vigil // for executors
	child    *child
	ends     *ends
	guard    *guard
	bell     *bell
	listener Listener
	about    Info
	together bool          // it takes four descriptors with one byte
	reusable bool          // an executor may have more than one request
	room     chan struct{} // has what the script allows at once; nil without a limit

	gone   context.Context // done when the server has been reaped
	exited context.CancelFunc
	silent chan struct{} // closed when nothing more comes from ctl

	writing sync.Mutex // one message and its descriptors at a time

	mu        sync.Mutex                 // guards what follows
	executors map[uint32]*nativeExecutor // that have not been reaped
	last      uint32                     // id
	stopped   bool
	lost      bool // it is gone, and reaps nobody
	young     []young
	sweeper   *time.Timer // nil until there was one
	due       time.Time   // when it fires; zero when it does not
}

// newNative takes over what a rehearsal has, and v.
func newNative(r *rehearsal, hello *ready, v *vigil) *native {
	s := &native{
		vigil: v, ctl: r.call, child: r.child, ends: r.ends, guard: r.guard, bell: r.bell, listener: r.listener,
		about: Info{
			PID: r.child.pid, Parks: true, Library: hello.settings["library"], Memory: memoryOf(r.child.pid),
			Risks: audit(r.child.pid, parseOwn(hello.settings["fds"]), hello.places),
		},
		executors: map[uint32]*nativeExecutor{},
		together:  hello.settings["rights"] == "4",
		reusable:  hello.settings["reuse"] == "1",
		silent:    make(chan struct{}),
	}
	if r.sentinelHeld() || sessionShared(r.child.pid) {
		s.about.Risks = append(s.about.Risks, Risk{Kind: RiskProcess})
	}
	s.ends.closeSetup()
	if n, err := strconv.Atoi(hello.settings["max_servers"]); err == nil && n > 0 {
		s.room, s.about.Limit = make(chan struct{}, n), n
	}
	s.gone, s.exited = context.WithCancel(context.Background())
	s.guard.hold()
	s.bell.join(s)
	go s.listen()        // until ctl ends
	go s.watch()         // until the server and its executors are gone
	go s.attend(r.ended) // until the server is gone
	return s
}

// sentinelHeld reports whether somebody else than the server, which has closed
// it, has the other end: a process that setup has left running. One that was
// executed may have been spared it; see sessionShared.
//
// A process that we have just forked, for another script, has all our descriptors until
// it executes its program, and on a busy machine that may take as long as a setup.
func (e *ends) sentinelHeld() bool {
	if !e.sentinelOpen() {
		return false
	}
	syscall.ForkLock.RLock() // there is no such process then
	defer syscall.ForkLock.RUnlock()
	return e.sentinelOpen()
}

// sentinelOpen reports whether the sentinel has not come to its end.
func (e *ends) sentinelOpen() bool {
	n, err := ReadReady(e.sentinel, make([]byte, 1))
	return n == 0 && err == nil
}

// parseOwn reads the numbers of the library's own descriptors.
func parseOwn(list string) map[int]bool {
	own := map[int]bool{}
	for number := range strings.SplitSeq(list, ",") {
		if fd, err := strconv.Atoi(number); err == nil {
			own[fd] = true
		}
	}
	return own
}

// listen hears what the server says. What cannot be understood ends it: the
// bytes after would mean something else.
func (s *native) listen() {
	defer close(s.silent)
	reader := bufio.NewReader(s.ctl)
	for {
		kind, length, err := readHead(reader)
		if err != nil {
			break
		}
		payload, err := readPayload(reader, length)
		if err == nil {
			err = s.hear(kind, payload)
		}
		if err != nil {
			s.listener.noted(fmt.Sprintf("the server said something that cannot be understood, and is killed: %v", err))
			break
		}
	}
	// It cannot be asked for anything any more.
	s.child.doom(syscall.SIGKILL)
}

func (s *native) hear(kind string, payload []byte) error {
	switch kind {
	case typeLoaded, typeMissed, typeNote:
		return hear(s.listener, kind, payload)
	case typeDone, typeFailed:
		id, rest, err := parseID(payload)
		if err != nil {
			return err
		}
		end := ending{}
		if kind == typeFailed {
			end.failure = string(rest)
		} else if end.status, err = parseDone(rest); err != nil {
			return err
		}
		return s.over(id, end)
	}
	return fmt.Errorf("message %q is not known", kind)
}

// attend waits for the server's end, and cleans up after it.
func (s *native) attend(ended <-chan Status) {
	<-ended
	// What setup or a script left running may hold the other end too.
	s.ctl.shutdown(unix.SHUT_RD)
	<-s.silent
	s.mu.Lock()
	s.stopped, s.lost = true, true
	left := slices.Collect(maps.Values(s.executors))
	if len(left) == 0 {
		s.vigil.close()
	}
	s.mu.Unlock()
	_ = s.ctl.Close()
	s.ends.closeOurs()
	for _, e := range left {
		if !e.runs() || !e.adopt() { // the end of one that does is still seen
			_ = s.over(e.id, ending{status: Status{Lost: true}})
		}
	}
	s.bell.leave(s)
	s.exited()
	s.guard.release()
}

// Info implements [Process].
func (s *native) Info() Info { return s.about }

func (s *native) info() *Info { return &s.about }

// Exited implements [Process].
func (s *native) Exited() <-chan struct{} { return s.gone.Done() }

// Stop implements [Process]. End-of-file on ctl ends the server and its
// executors, so it waits for their end.
func (s *native) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		if len(s.executors) == 0 {
			s.ctl.shutdown(unix.SHUT_WR)
		}
	}
}

// Kill implements [Process]. A server that is stopped first may end by itself in between, and what setup has
// left running would go on.
func (s *native) Kill() {
	s.child.doom(syscall.SIGKILL)
	s.Stop()
}

// Park implements [Process]. It does not wait for the executor, but for a place among
// those that the script allows at once, if there is none.
func (s *native) Park(ctx context.Context, requests int) (Executor, error) {
	if s.room != nil {
		select {
		case s.room <- struct{}{}:
		default:
			select {
			case s.room <- struct{}{}:
			case <-s.gone.Done():
				return nil, ErrGone
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	if !s.reusable {
		requests = 1
	}
	until, _ := ctx.Deadline()
	return s.fork(until, requests)
}

// fork has the server fork an executor, which must greet until then.
func (s *native) fork(until time.Time, requests int) (Executor, error) {
	stdin, err := orNull(nil)
	if err != nil {
		s.leave()
		return nil, err
	}
	streams, err := newStreams()
	if err != nil {
		s.leave()
		return nil, err
	}
	ours, theirs, err := callPair()
	if err != nil {
		streams.abandon()
		s.leave()
		return nil, err
	}
	e := &nativeExecutor{
		server: s, until: until, end: make(chan ending, 1), streams: streams, call: ours, left: requests,
	}
	err = s.register(e)
	if err == nil {
		err = s.sendFork(e, theirs, stdin)
	}
	_ = unix.Close(theirs) // or the executor's end would not be seen
	if err != nil {
		streams.abandon()
		return nil, err
	}
	return e, nil
}

// leave gives up a place among those that the script allows at once.
func (s *native) leave() {
	if s.room != nil {
		<-s.room
	}
}
