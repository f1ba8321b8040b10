package prefork

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A socket is our end of a stream socket in the Unix domain. Beside bytes it carries
// descriptors, and the number of the process that has sent them. It is less than a
// net.UnixConn, which takes seven system calls more to make.
type socket struct{ *os.File }

// socketPair makes two ends: ours, and one for a script, which is blocking.
func socketPair() (ours *socket, theirs int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	if err = errors.Join(unix.SetNonblock(pair[1], false), passCredentials(pair[0])); err != nil {
		_ = unix.Close(pair[0])
		_ = unix.Close(pair[1])
		return nil, -1, err
	}
	return &socket{os.NewFile(uintptr(pair[0]), "socket")}, pair[1], nil
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
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	oobn := 0
	errWait := conn.Read(func(fd uintptr) bool {
		n, oobn, _, _, err = unix.Recvmsg(int(fd), p, oob, unix.MSG_CMSG_CLOEXEC)
		return !again(err)
	})
	switch {
	case errWait != nil:
		return 0, 0, errWait
	case err != nil:
		return 0, 0, err
	case n == 0:
		return 0, 0, io.EOF
	}
	return n, senderPID(oob[:oobn]), nil
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

// send is Write of bytes whose first carries descriptors.
func (s *socket) send(p []byte, fds ...int) error {
	conn, err := s.SyscallConn()
	if err != nil {
		return err
	}
	rights := unix.UnixRights(fds...)
	n := 0
	errWait := conn.Write(func(fd uintptr) bool {
		n, err = unix.SendmsgN(int(fd), p, rights, nil, unix.MSG_NOSIGNAL)
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
