package prefork

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A socket is our end of a stream socket in the Unix domain. Beside bytes it carries
// descriptors, and the number of the process that has sent them. It is less than a
// net.UnixConn, which takes seven system calls more to make.
type socket struct{ *os.File }

// socketPair makes two ends: ours, and one for a script, which is blocking.
func socketPair() (ours *socket, theirs int, err error) {
	fd, theirs, err := callPair()
	if err != nil {
		return nil, -1, err
	}
	return &socket{os.NewFile(uintptr(fd), "socket")}, theirs, nil
}

// callPair is socketPair with our end as a number.
func callPair() (ours, theirs int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	if err = errors.Join(becomeOurs(pair[0]), passCredentials(pair[0])); err != nil {
		_ = unix.Close(pair[0])
		_ = unix.Close(pair[1])
		return -1, -1, err
	}
	return pair[0], pair[1], nil
}

// connect connects to what listens at a path.
func connect(path string) (*socket, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket: %w", err)
	}
	// Asked for before the peer can write, so its first bytes carry who it is.
	err = passCredentials(fd)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("cannot connect to a server: %w", err)
	}
	return &socket{os.NewFile(uintptr(fd), "socket")}, nil
}

// passCredentials has the kernel attach the sender's process number to what is
// received.
func passCredentials(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
}

// receive is Read that also returns the number of the process which has sent what is
// read; 0 if that is not known.
func (s *socket) receive(p []byte) (n, pid int, err error) {
	conn, err := s.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	errWait := conn.Read(func(fd uintptr) bool {
		n, pid, err = receive(int(fd), p)
		return !again(err)
	})
	return n, pid, errors.Join(errWait, err)
}

func senderPID(oob []byte) int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if cred, err := unix.ParseUnixCredentials(&m); err == nil {
			return int(cred.Pid)
		}
	}
	return 0
}

// sendReady is send of what there is room for now.
func (s *socket) sendReady(p []byte, fds ...int) (n int, err error) {
	conn, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	errControl := conn.Control(func(fd uintptr) { n, err = sendRights(int(fd), p, fds) })
	return n, errors.Join(errControl, err)
}

// sendRights sends bytes whose first carries descriptors, if there are any.
func sendRights(fd int, p []byte, fds []int) (n int, err error) {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	return unix.SendmsgN(fd, p, rights, nil, unix.MSG_NOSIGNAL)
}

// send is Write of bytes whose first carries descriptors.
func (s *socket) send(p []byte, fds ...int) error {
	conn, err := s.SyscallConn()
	if err != nil {
		return err
	}
	n := 0
	errWait := conn.Write(func(fd uintptr) bool {
		n, err = sendRights(int(fd), p, fds)
		return !again(err)
	})
	if err = errors.Join(errWait, err); err == nil && n < len(p) {
		_, err = s.Write(p[n:])
	}
	return err
}

// again reports whether a system call is to be made again, later or at once.
func again(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) }

// shutdown closes one direction, or both: unix.SHUT_RD, SHUT_WR, SHUT_RDWR.
func (s *socket) shutdown(how int) {
	if conn, err := s.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), how) })
	}
}
