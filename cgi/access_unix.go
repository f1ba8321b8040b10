//go:build unix

package cgi

import (
	"io/fs"
	"syscall"
)

// Modes of access(2).
const (
	accessRead    = 4
	accessExecute = 1
)

func readable(file string) bool   { return syscall.Access(file, accessRead) == nil }
func executable(file string) bool { return syscall.Access(file, accessExecute) == nil }

// runnableAsItIs reports both at once.
func runnableAsItIs(file string) bool {
	return syscall.Access(file, accessRead|accessExecute) == nil
}

// owner returns whose a file is.
func owner(info fs.FileInfo) (uid, gid int) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid), int(stat.Gid)
	}
	return -1, -1
}
