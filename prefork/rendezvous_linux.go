package prefork

import (
	"crypto/rand"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// A rendezvous is where a server is called: the inode of its listening socket,
// which has no name any more. The server holds the socket, we hold the inode.
type rendezvous struct {
	inode int // O_PATH
}

// newRendezvous makes a listening socket for a server and the rendezvous that
// reaches it. The caller owns both.
//
// A Unix socket must be bound to be listened on, and an abstract name could be
// called by any user. So it is bound in the folder for temporary files, under a
// name that cannot be guessed and with a mode that lets in nobody else, and is
// unlinked two system calls later. Connecting through /proc/self/fd follows the
// descriptor to the inode and needs no name.
func newRendezvous() (listen int, r *rendezvous, err error) {
	listen, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, nil, fmt.Errorf("cannot make a socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(listen)
		}
	}()
	// The mode of the descriptor is the mode of the file that bind makes.
	if err = unix.Fchmod(listen, 0o600); err != nil {
		return -1, nil, fmt.Errorf("cannot set a socket's mode: %w", err)
	}
	folder, err := unix.Open(os.TempDir(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, nil, fmt.Errorf("cannot open the folder for temporary files %s: %w", os.TempDir(), err)
	}
	defer func() { _ = unix.Close(folder) }()

	name := ".prefork-cgi-" + rand.Text()
	// Through the descriptor, since a socket address holds 107 bytes of path.
	if err = unix.Bind(listen, &unix.SockaddrUnix{Name: procFD(folder) + "/" + name}); err != nil {
		return -1, nil, fmt.Errorf("cannot bind a socket in %s: %w", os.TempDir(), err)
	}
	inode, errOpen := unix.Openat(folder, name, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	errUnlink := unix.Unlinkat(folder, name, 0)
	if errOpen != nil {
		return -1, nil, fmt.Errorf("cannot open a socket in %s: %w", os.TempDir(), errOpen)
	}
	r = &rendezvous{inode: inode}
	if errUnlink != nil {
		r.close()
		return -1, nil, fmt.Errorf("cannot unlink a socket in %s: %w", os.TempDir(), errUnlink)
	}
	if err = unix.Listen(listen, unix.SOMAXCONN); err != nil {
		r.close()
		return -1, nil, fmt.Errorf("cannot listen: %w", err)
	}
	return listen, r, nil
}

// dial connects to the server. The caller owns the connection. The server may
// be gone: then the error is ECONNREFUSED.
func (r *rendezvous) dial() (*socket, error) { return connect(procFD(r.inode)) }

// close lets go of the inode.
func (r *rendezvous) close() { _ = unix.Close(r.inode) }

// procFD names a descriptor of this process as a path.
func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
