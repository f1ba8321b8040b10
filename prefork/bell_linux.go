package prefork

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// bellPatience is how long somebody who has connected may take to say what he wants.
const bellPatience = time.Second

// A bell is where scripts ask for more time: a listening socket in the abstract name space,
// which needs no file and goes with us. Setup learns its name from the handover, and an executor
// connects when its script asks, so that it needs no descriptor of ours before. The kernel
// says who has connected.
//
//	executor ── milliseconds, 4 bytes ──▶ bell
//	         ◀── 1 byte: 1, or 0 ────────
//
// It is there while something holds it, as a [guard] is. Without it everything works, and no script
// is given more time.
type bell struct {
	mu       sync.Mutex // guards what follows
	holders  int
	servers  map[*native]struct{}
	listener *net.UnixListener // nil if there is none
	name     string
}

// hold keeps the bell until release, and returns its name; empty if there is none.
func (b *bell) hold() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holders++
	if b.listener == nil {
		b.name = ""
		name := "prefork-cgi-" + rand.Text()
		if listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@" + name, Net: "unix"}); err == nil {
			b.listener, b.name = listener, name
			go b.attend(listener) // until nobody holds the bell
		}
	}
	return b.name
}

// release gives up one hold.
func (b *bell) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holders--
	if b.holders == 0 && b.listener != nil {
		_ = b.listener.Close()
		b.listener = nil
	}
}

// join has the executors of a server heard, until leave.
func (b *bell) join(s *native) {
	b.hold()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.servers == nil {
		b.servers = map[*native]struct{}{}
	}
	b.servers[s] = struct{}{}
}

// leave undoes join.
func (b *bell) leave(s *native) {
	b.mu.Lock()
	delete(b.servers, s)
	b.mu.Unlock()
	b.release()
}

func (b *bell) attend(listener *net.UnixListener) {
	for {
		conn, err := listener.AcceptUnix()
		switch {
		case err == nil:
			go b.answer(conn) // until bellPatience is over
		case errors.Is(err, net.ErrClosed):
			return
		default: // for want of descriptors; who has connected waits
			time.Sleep(bellPatience)
		}
	}
}

// answer hears one wish. Who is not of this user, or of no executor's group, is refused.
func (b *bell) answer(conn *net.UnixConn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(bellPatience))
	var wish [4]byte
	if _, err := io.ReadFull(conn, wish[:]); err != nil {
		return
	}
	more := time.Duration(binary.BigEndian.Uint32(wish[:])) * time.Millisecond
	answer := []byte{0}
	if e := b.executorOf(sender(conn)); e != nil && more > 0 && e.extend(more) {
		answer[0] = 1
	}
	_, _ = conn.Write(answer)
}

// sender returns the number of the process that has connected, if it is of our user; else 0.
func sender(conn *net.UnixConn) int {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	var who *unix.Ucred
	_ = raw.Control(func(fd uintptr) { who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || who == nil || int(who.Uid) != os.Geteuid() {
		return 0
	}
	return int(who.Pid)
}

// executorOf returns the executor that leads the group of a process; nil if none does.
func (b *bell) executorOf(pid int) *nativeExecutor {
	if pid == 0 {
		return nil
	}
	leader, err := unix.Getpgid(pid)
	if err != nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.servers {
		if e := s.executorOf(leader); e != nil {
			return e
		}
	}
	return nil
}
