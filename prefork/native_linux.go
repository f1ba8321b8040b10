package prefork

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A native is the warm process of a script whose library speaks the native
// dialect. It is our child, and the parent of its executors.
type native struct {
	ctl      *socket
	child    *child
	ends     *ends
	guard    *guard
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
}

// newNative takes over what a rehearsal has.
func newNative(r *rehearsal, hello *ready) *native {
	s := &native{
		ctl: r.call, child: r.child, ends: r.ends, guard: r.guard, listener: r.listener,
		about: Info{
			PID: r.child.pid, Parks: true, Library: hello.settings["library"],
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
	go s.listen()        // until ctl ends
	go s.attend(r.ended) // until the server is gone
	return s
}

// sentinelHeld reports whether somebody else than the server, which has closed
// it, has the other end: a process that setup has left running. One that was
// executed may have been spared it; see sessionShared.
func (e *ends) sentinelHeld() bool {
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
	for {
		kind, length, err := readHead(s.ctl)
		if err != nil {
			break
		}
		payload, err := readPayload(s.ctl, length)
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
	case typeLoaded, typeNote:
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

// over tells an executor how it has ended.
func (s *native) over(id uint32, end ending) error {
	s.mu.Lock()
	e, ok := s.executors[id]
	delete(s.executors, id)
	if s.stopped && len(s.executors) == 0 {
		s.ctl.shutdown(unix.SHUT_WR)
	}
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("there is no executor %d", id)
	}
	e.end <- end
	return nil
}

// attend waits for the server's end, and cleans up after it.
func (s *native) attend(ended <-chan Status) {
	<-ended
	// What setup or a script left running may hold the other end too.
	s.ctl.shutdown(unix.SHUT_RD)
	<-s.silent
	s.mu.Lock()
	s.stopped = true
	lost := s.executors
	s.executors = map[uint32]*nativeExecutor{}
	s.mu.Unlock()
	_ = s.ctl.Close()
	s.ends.closeOurs()
	for _, e := range lost {
		e.end <- ending{status: Status{Lost: true}}
	}
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

// Kill implements [Process].
func (s *native) Kill() {
	s.Stop()
	s.child.doom(syscall.SIGKILL)
}

// Park implements [Process].
func (s *native) Park(ctx context.Context, requests int) (Executor, error) {
	if s.room != nil {
		select {
		case s.room <- struct{}{}:
		case <-s.gone.Done():
			return nil, ErrGone
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if !s.reusable {
		requests = 1
	}
	return s.fork(ctx, requests)
}

// fork has the server fork an executor, and waits for its greeting.
func (s *native) fork(ctx context.Context, requests int) (Executor, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		s.leave()
		return nil, err
	}
	e, err := s.register(requests)
	if err != nil {
		_ = ours.Close()
		_ = unix.Close(theirs)
		s.leave()
		return nil, err
	}
	err = s.sendFork(e, theirs)
	_ = unix.Close(theirs) // or the executor's end would not be seen
	if err == nil {
		e.greeted, err = greet(ctx, ours)
	}
	if err != nil {
		_ = ours.Close()
		e.streams.abandon()
		return nil, e.stillborn(ctx, err)
	}
	go e.attend() // until it has been reaped
	return e, nil
}

// register makes an executor. From here on it counts until its end is heard.
func (s *native) register(requests int) (*nativeExecutor, error) {
	streams, err := newStreams()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		streams.abandon()
		return nil, ErrGone
	}
	for s.last++; s.executors[s.last] != nil; s.last++ {
	}
	e := &nativeExecutor{server: s, id: s.last, end: make(chan ending, 1), streams: streams, left: requests}
	s.executors[e.id] = e
	// The executor is in the server's session, and may outlive it.
	s.guard.hold()
	s.guard.watch(s.child.pid)
	return e, nil
}

// leave gives up a place among those that the script allows at once.
func (s *native) leave() {
	if s.room != nil {
		<-s.room
	}
}
