package prefork

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// NewPipe makes a pipe whose read end is ours and whose write end is for a
// script: ours is non-blocking, so reads take deadlines; the script's is
// blocking, as programs expect. The caller owns both.
func NewPipe() (ours, theirs *os.File, err error) {
	r, w, err := outputPipe()
	if err != nil {
		return nil, nil, err
	}
	return r, os.NewFile(uintptr(w), "|1"), nil
}

// outputPipe is NewPipe with the script's end as a number.
func outputPipe() (ours *os.File, theirs int, err error) {
	r, w, err := rawPipe()
	if err != nil {
		return nil, -1, err
	}
	return ourEnd(r, "|0"), w, nil
}

// NewInputPipe is NewPipe the other way round: we write, the script reads.
func NewInputPipe() (ours, theirs *os.File, err error) {
	r, w, err := rawPipe()
	if err != nil {
		return nil, nil, err
	}
	return ourEnd(w, "|1"), os.NewFile(uintptr(r), "|0"), nil
}

func rawPipe() (r, w int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, fmt.Errorf("cannot make a pipe: %w", err)
	}
	return p[0], p[1], nil
}

// ourEnd hands a new descriptor to the runtime's poller.
func ourEnd(fd int, name string) *os.File {
	_ = becomeOurs(fd)
	return os.NewFile(uintptr(fd), name)
}

// becomeOurs makes a new descriptor non-blocking. It has no flag yet, so none is lost.
func becomeOurs(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_NONBLOCK)
	return err
}

// rawFD returns the descriptor of f without changing its blocking mode, as
// File.Fd would. f must stay reachable while the number is used.
func rawFD(f *os.File) (int, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	err = conn.Control(func(n uintptr) { fd = int(n) })
	return fd, err
}

// ReadReady reads what f, our end of a pipe, holds now, and does not wait: n is 0
// when it is empty. At end-of-file err is io.EOF. Unlike Read it works after
// f's read deadline has passed.
func ReadReady(f *os.File, b []byte) (n int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	// Control and not Read: the latter refuses to start after the deadline.
	errControl := conn.Control(func(fd uintptr) {
		for {
			n, err = unix.Read(int(fd), b)
			if !errors.Is(err, unix.EINTR) {
				return
			}
		}
	})
	switch {
	case errControl != nil:
		return 0, errControl
	case errors.Is(err, unix.EAGAIN):
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// WriteReady writes what f, our end of a pipe, has room for, and does not wait. A script
// that has closed its end takes all.
func WriteReady(f *os.File, b []byte) (n int) {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) {
		for n < len(b) {
			m, err := unix.Write(int(fd), b[n:])
			if m > 0 {
				n += m
			}
			if err != nil && !errors.Is(err, unix.EINTR) {
				return
			}
		}
	})
	return n
}
