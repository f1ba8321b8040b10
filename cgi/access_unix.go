//go:build unix

package cgi

import "syscall"

// Modes of access(2).
const (
	accessRead    = 4
	accessExecute = 1
)

func readable(file string) bool   { return syscall.Access(file, accessRead) == nil }
func executable(file string) bool { return syscall.Access(file, accessExecute) == nil }
