package cgi

import (
	"os"
	"syscall"
)

// tmpfile is O_TMPFILE, which package syscall lacks: 020000000 with O_DIRECTORY.
const tmpfile = 0o20000000 | syscall.O_DIRECTORY

// unnamedFile makes a temporary file that has never had a name, so that nothing
// is left whatever happens to us. Where the file system cannot do that, it has
// one for a moment.
func unnamedFile() (*os.File, error) {
	file, err := os.OpenFile(os.TempDir(), tmpfile|os.O_RDWR, 0o600)
	if err == nil {
		return file, nil
	}
	return unlinkedFile()
}
