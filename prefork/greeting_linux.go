package prefork

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A greeting is what came of waiting for the first one on CALL. Its first bytes
// tell in which dialect the script's library speaks.
type greeting struct {
	monitor *greeted // v1
	ready   *ready   // native
	cold    reason   // native: the script must not be warm
	err     error
}

// A ready is what a native server says of itself.
type ready struct {
	settings map[string]string
	places   map[int]string // where setup opened its descriptors, as far as known
}

// awaitGreeting reads what comes on CALL up to the first greeting.
func awaitGreeting(ctx context.Context, conn *socket, listener Listener) greeting {
	defer abortWhenDone(ctx, conn)()
	reader := &credentialReader{conn: conn}
	places := map[int]string{}
	for {
		kind, length, err := readHead(reader)
		if err == nil && kind == greetingMagic {
			err = skipExtension(reader, length)
		}
		if err != nil || kind == greetingMagic {
			monitor, errMeet := meet(ctx, reader, err)
			return greeting{monitor: monitor, err: errMeet}
		}
		payload, err := readPayload(reader, length)
		if err != nil {
			return unreadable(err)
		}
		switch kind {
		case typeLoaded, typeMissed, typeNote:
			err = hear(listener, kind, payload)
		case typeOpened:
			places, err = parsePairs(payload)
		case typeCold:
			return greeting{cold: reason(payload)}
		case typeReady:
			settings, errSettings := parseSettings(payload)
			if errSettings != nil {
				return unreadable(errSettings)
			}
			return greeting{ready: &ready{settings, places}}
		default:
			err = fmt.Errorf("message %q is not known", kind)
		}
		if err != nil {
			return unreadable(err)
		}
	}
}

// unreadable is what came of a server that cannot be understood.
func unreadable(err error) greeting {
	return greeting{err: fmt.Errorf("cannot read a greeting: %w", err)}
}

// hear passes on what a native library may say at any time.
func hear(listener Listener, kind string, payload []byte) error {
	if kind == typeNote {
		listener.noted(string(payload))
		return nil
	}
	paths, err := parseStrings(payload)
	if kind == typeMissed {
		listener.missed(paths)
	} else {
		listener.loaded(paths)
	}
	return err
}

// A greeted is a connection to a monitor, or to a native executor, that has said
// its greeting and waits for a request.
type greeted struct {
	conn *socket
	peer *peer
}

func (m *greeted) close() {
	_ = m.conn.Close()
	m.peer.close()
}

// greet reads a greeting. On failure conn stays open, and the caller's.
func greet(ctx context.Context, conn *socket) (*greeted, error) {
	defer abortWhenDone(ctx, conn)()
	reader := &credentialReader{conn: conn}
	return meet(ctx, reader, readGreeting(reader))
}

// meet takes hold of who has sent a greeting, unless err says that there is none.
func meet(ctx context.Context, reader *credentialReader, err error) (*greeted, error) {
	if err != nil {
		if ctx.Err() == nil && isHangUp(err) {
			return nil, ErrGone
		}
		return nil, fmt.Errorf("cannot read a greeting: %w", err)
	}
	if reader.pid <= 0 {
		return nil, errors.New("cannot learn who has sent a greeting")
	}
	p, err := newPeer(reader.pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, syscall.ESRCH) {
		return nil, fmt.Errorf("%w: who sent the greeting was killed: %w", ErrGone, err)
	}
	if err != nil {
		return nil, err
	}
	return &greeted{conn: reader.conn, peer: p}, nil
}

// A credentialReader reads from a socket and keeps the process number of the
// first sender.
type credentialReader struct {
	conn *socket
	pid  int
}

func (r *credentialReader) Read(p []byte) (int, error) {
	n, pid, err := r.conn.receive(p)
	if r.pid == 0 {
		r.pid = pid
	}
	return n, err
}

// abortWhenDone ends reads and writes on conn when ctx is done. The function it
// returns must be called when they are over.
func abortWhenDone(ctx context.Context, conn *socket) (stop func()) {
	fired := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		_ = conn.SetDeadline(time.Now())
		close(fired)
	})
	return func() {
		if !cancel() {
			<-fired
		}
		_ = conn.SetDeadline(time.Time{})
	}
}
