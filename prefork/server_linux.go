package prefork

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A server is the warm process of a v1 script. Setup was our child, the server
// is setup's, so we learn of its end by the sentinel and signal it by pidfd.
type server struct {
	ends  *ends
	peer  *peer
	guard *guard
	about Info // changes only before anybody else has the server

	gone   context.Context // done when the server is gone
	exited context.CancelFunc

	mu      sync.Mutex
	first   *greeted // call that came with the launch; nil when used
	stopped bool
}

// newServer takes ownership of e and first.
func newServer(e *ends, first *greeted, g *guard) (*server, error) {
	// The first monitor waits for our first byte, so it is alive, and so is its
	// session, whose number is the server's process number.
	pid, err := unix.Getsid(first.peer.pid)
	if err == nil {
		var p *peer
		if p, err = newPeer(pid, unix.PIDFD_NONBLOCK); err == nil {
			g.hold()
			g.watch(pid)
			s := &server{
				ends: e, peer: p, guard: g, first: first,
				about: Info{PID: pid, Library: "protocol v1", Memory: memoryOf(pid), Risks: audit(pid, v1Own, nil)},
			}
			s.gone, s.exited = context.WithCancel(context.Background())
			go s.attend() // until the server is gone
			return s, nil
		}
	}
	first.close()
	e.closeOurs()
	return nil, fmt.Errorf("%w: it ended right after setup: %w", ErrGone, err)
}

// attend waits for the sentinel, and cleans up after the server.
func (s *server) attend() {
	// What setup left running in the background may hold the sentinel too; then
	// only the pidfd tells. The wait ends before attend does, or by peer.close.
	go func() {
		s.peer.wait()
		_ = s.ends.sentinel.SetReadDeadline(time.Now())
	}()
	_, _ = s.ends.sentinel.Read(make([]byte, 1)) // nobody writes
	s.guard.forget(s.peer.pid)
	s.mu.Lock()
	s.stopped = true
	if s.first != nil {
		s.first.close()
		s.first = nil
	}
	s.peer.close()
	s.ends.closeOurs()
	s.mu.Unlock()
	s.guard.release()
	s.exited()
}

// Info implements [Process].
func (s *server) Info() Info { return s.about }

func (s *server) info() *Info { return &s.about }

// Exited implements [Process].
func (s *server) Exited() <-chan struct{} { return s.gone.Done() }

// Stop implements [Process]: end-of-file on the leash tells the server to quit.
// Monitors and executors that run are not in its way.
func (s *server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	s.stopped = true
	if s.first != nil { // a monitor that waits for a call that will not come
		s.first.close()
		s.first = nil
	}
	_ = s.ends.leash.Close()
}

// Kill implements [Process].
func (s *server) Kill() {
	s.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone.Err() == nil {
		_ = s.peer.signal(syscall.SIGKILL)
	}
}

// Park implements [Process]. A monitor serves one request.
func (s *server) Park(ctx context.Context, _ int) (Executor, error) {
	if first := s.takeFirst(); first != nil {
		return &monitor{greeted: first, server: s}, nil
	}
	greeted, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	return &monitor{greeted: greeted, server: s}, nil
}

func (s *server) takeFirst() *greeted {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.first
	s.first = nil
	return first
}

// connect has the server fork a monitor and waits for its greeting. At its
// limit of monitors the server accepts later: then this takes as long as one of
// the calls that run.
func (s *server) connect(ctx context.Context) (*greeted, error) {
	conn, err := s.dial()
	if err != nil {
		return nil, err
	}
	// A connection that waits to be accepted is reset with the server, unless
	// something that setup left running holds the listening socket too.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.gone, cancel)()
	greeted, err := greet(ctx, conn)
	if err == nil {
		return greeted, nil
	}
	_ = conn.Close()
	if s.gone.Err() != nil {
		return nil, ErrGone
	}
	return nil, err
}

func (s *server) dial() (*socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, ErrGone
	}
	conn, err := s.ends.rendezvous.dial()
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrGone
	}
	return conn, err
}
