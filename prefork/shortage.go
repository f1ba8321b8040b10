package prefork

import (
	"errors"
	"slices"
	"syscall"
)

// A ForkError says that a server could not fork an executor.
type ForkError struct {
	Said string // by the script's library
}

func (e *ForkError) Error() string { return "cannot fork: " + e.Said }

// shortages are what the kernel says when something has run out that a script cannot be
// blamed for: descriptors, processes, memory, room on a disk.
var shortages = []syscall.Errno{
	syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.ENOMEM, syscall.ENOBUFS, syscall.ENOSPC, syscall.EDQUOT,
}

// IsShortage reports whether an error means that the machine, or this user on it, has
// run out of something. The same may well succeed a moment later, and the script is not to blame.
// What a script's own setup has run out of is its SetupError, and none.
func IsShortage(err error) bool {
	var fork *ForkError
	var code syscall.Errno
	return errors.As(err, &fork) || errors.As(err, &code) && slices.Contains(shortages, code)
}
