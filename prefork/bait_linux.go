package prefork

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A bait is a standard input that is at end-of-file, and that knows whether
// somebody has read it: a socket that keeps messages apart, with one empty
// message in it. The first read takes the message and returns nothing, as all
// later ones do because the other end is shut down.
//
// The question cannot be put to /dev/null, nor in the script's language: a
// library written in C reads where no hook of an interpreter sees it.
type bait struct {
	ours   int
	theirs *os.File // kept, since what nobody holds any more is thrown away unread
}

// newBait makes one. The caller owns it.
func newBait() (*bait, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	b := &bait{ours: pair[0], theirs: os.NewFile(uintptr(pair[1]), "stdin")}
	if err = unix.Send(b.ours, nil, unix.MSG_NOSIGNAL); err == nil {
		err = unix.Shutdown(b.ours, unix.SHUT_WR)
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("cannot prepare a socket: %w", err)
	}
	return b, nil
}

// taken reports whether somebody has read, or whether that cannot be known.
func (b *bait) taken() bool {
	unread, err := unix.IoctlGetInt(b.ours, unix.TIOCOUTQ)
	return err != nil || unread == 0
}

func (b *bait) close() {
	_ = unix.Close(b.ours)
	_ = b.theirs.Close()
}
