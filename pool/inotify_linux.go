package pool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// An inotify is the kernel's queue of file system events, see inotify(7), and with
// it the table of mounts, which tells whether it has changed. The watcher calls
// add, remove and read with its mutex held, and none of them after close.
type inotify struct {
	file   *os.File // the queue, for Go's poller
	queue  int      // the same
	mounts int
	buffer []byte
	asks   system
}

// A system is what may fail; tests put something else there.
type system struct {
	statfs func(file int, stat *unix.Statfs_t) error
	watch  func(queue int, path string, mask uint32) (int, error)
}

// newInotify returns a queue of which nothing is watched yet.
func newInotify() (*inotify, error) {
	queue, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot make an inotify instance: %w", err)
	}
	mounts, err := unix.Open("/proc/self/mounts", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(queue)
		return nil, fmt.Errorf("cannot see what is mounted: %w", err)
	}
	return &inotify{
		file:   os.NewFile(uintptr(queue), "inotify"),
		queue:  queue,
		mounts: mounts,
		buffer: make([]byte, 64<<10),
		asks:   system{statfs: unix.Fstatfs, watch: unix.InotifyAddWatch},
	}, nil
}

// wait calls wake when something may have happened, until the queue is closed.
func (i *inotify) wait(wake func()) {
	if raw, err := i.file.SyscallConn(); err == nil {
		_ = raw.Read(func(uintptr) bool {
			wake()
			return false
		})
	}
}

// close ends all watches. It returns when wake is not being called any more.
func (i *inotify) close() {
	_ = i.file.Close()
	_ = unix.Close(i.mounts)
}

// What is asked for. Names matter in a folder, and nothing else that happens to a
// file there: who writes a log beside the script disturbs nobody. Contents are
// watched at the file, which has all names that it may be written by.
const (
	subjectMask = unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
	folderMask  = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO
	fileMask    = unix.IN_MODIFY | unix.IN_CLOSE_WRITE

	// After these a path may lead to something else.
	movedMask = folderMask | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_UNMOUNT | unix.IN_IGNORED
)

// check reports why what is at a path cannot be watched. It needs no mutex, and
// may take as long as a file server does. A symbolic link at the end of the path
// is what is there; one on the way has come after the sources.
func (i *inotify) check(path string) error {
	how := &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS,
	}
	file, err := unix.Openat2(unix.AT_FDCWD, path, how)
	if errors.Is(err, unix.ENOTDIR) {
		return fs.ErrNotExist // a file where a folder would be
	}
	if err != nil {
		return err
	}
	var stat unix.Statfs_t
	err = i.asks.statfs(file, &stat)
	_ = unix.Close(file)
	if err == nil && !notifies(stat) {
		err = fmt.Errorf("its file system (type %#x) may change without an event", stat.Type)
	}
	return err
}

// notifies reports whether all changes in a file system are made by this
// kernel's calls, which raise events, or cannot be made at all. Others, above all
// those that come over a network or from a host, change behind its back. ZFS is
// not among these because `zfs rollback` is silent; in an overlay only changes to
// the overlay itself are allowed while it is mounted.
func notifies(stat unix.Statfs_t) bool {
	switch uint32(stat.Type) { //nolint:gosec // a number of 32 bits, in a field that differs between processors
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC,
		unix.BCACHEFS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.RAMFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC,
		unix.SQUASHFS_MAGIC, unix.EROFS_SUPER_MAGIC_V1, unix.ISOFS_SUPER_MAGIC:
		return true
	}
	return false
}

// add watches what is at a spot, which has been checked, and returns the number of
// the watch. One that is there for another pool is the same one; what that asks
// for stays.
func (i *inotify) add(s *spot) (int, error) {
	mask := uint32(subjectMask | unix.IN_MASK_ADD | unix.IN_DONT_FOLLOW)
	if s.folder {
		mask |= folderMask
	}
	if s.file {
		mask |= fileMask
	}
	watch, err := i.asks.watch(i.queue, s.path, mask)
	if errors.Is(err, unix.ENOTDIR) {
		err = fs.ErrNotExist
	}
	return watch, err
}

// remove ends a watch. The kernel does so by itself when the file is gone, and
// gives the number to no other.
func (i *inotify) remove(id int) {
	_, _ = unix.InotifyRmWatch(i.queue, uint32(id)) //nolint:gosec // as add has returned it
}

// read tells note of all that has happened up to now.
func (i *inotify) read(note func(event)) {
	polled := [...]unix.PollFd{
		{Fd: int32(i.queue), Events: unix.POLLIN},   //nolint:gosec // a descriptor
		{Fd: int32(i.mounts), Events: unix.POLLPRI}, //nolint:gosec // likewise; the kernel tells each change once
	}
	_, err := unix.Poll(polled[:], 0)
	for errors.Is(err, unix.EINTR) {
		_, err = unix.Poll(polled[:], 0)
	}
	if err != nil {
		note(event{lost: true})
		return
	}
	if polled[1].Revents != 0 {
		note(event{mount: true})
	}
	if polled[0].Revents == 0 {
		return
	}
	for room := 0; room < maxEvent; { // else that was all
		n, err := unix.Read(i.queue, i.buffer)
		if err != nil {
			if !errors.Is(err, unix.EAGAIN) {
				note(event{lost: true})
			}
			return
		}
		decode(i.buffer[:n], note)
		room = len(i.buffer) - n
	}
}

// maxEvent is the length of the longest event.
const maxEvent = unix.SizeofInotifyEvent + unix.NAME_MAX + 1

// decode tells note of the events in what was read.
func decode(buffer []byte, note func(event)) {
	for len(buffer) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(buffer[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buffer[12:]))
		name, _, _ := bytes.Cut(buffer[unix.SizeofInotifyEvent:end], []byte{0})
		note(event{
			watch: int(binary.NativeEndian.Uint32(buffer)),
			name:  name,
			moved: mask&movedMask != 0,
			lost:  mask&unix.IN_Q_OVERFLOW != 0,
		})
		buffer = buffer[end:]
	}
}
