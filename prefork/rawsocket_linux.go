package prefork

import (
	"context"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The call socket of an executor that is parked is a number, and not a [socket]: mostly
// nobody waits for it, and what the runtime's poller watches wakes a thread. Whoever has
// to wait makes a socket of a duplicate.

// waiting returns a socket for the same connection, to wait for it. ctx ends the waiting,
// until done is called; so does a time, for reading, if it is not zero.
func waiting(ctx context.Context, call int, until time.Time) (s *socket, done func(), err error) {
	fd, err := unix.FcntlInt(uintptr(call), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	s = &socket{os.NewFile(uintptr(fd), "socket")}
	_ = s.SetReadDeadline(until)
	stop := abortWhenDone(ctx, s)
	return s, func() { stop(); _ = s.Close() }, nil
}

// receive reads what has come, and the process number of its sender; 0 if that is not
// known. It does not wait.
func receive(fd int, p []byte) (n, pid int, err error) {
	var oob [32]byte // a header and credentials
	n, oobn, _, _, err := unix.Recvmsg(fd, p, oob[:], unix.MSG_CMSG_CLOEXEC)
	switch {
	case err != nil:
		return 0, 0, err
	case n == 0:
		return 0, 0, io.EOF
	}
	return n, senderPID(oob[:oobn]), nil
}

// sendAll sends bytes whose first carries descriptors, and waits only if the socket is full.
func sendAll(ctx context.Context, call int, p []byte, fds ...int) error {
	n, err := sendRights(call, p, fds)
	if err == nil && n == len(p) || err != nil && !again(err) {
		return err
	}
	s, done, err := waiting(ctx, call, time.Time{})
	if err != nil {
		return err
	}
	defer done()
	if n > 0 { // the descriptors are with the first byte
		_, err = s.Write(p[n:])
		return err
	}
	return s.send(p, fds...)
}
