package prefork

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// forkPointName is the library's call at initialisation complete. All script
// libraries use the name, so it marks an explicit fork point in any language.
const forkPointName = "prefork_initialisation_complete"

// forkPointLimit is how much of a script is searched for the name.
const forkPointLimit = 1 << 20

// hasForkPoint reports whether a script names the library's call outside a line
// that is all comment.
//
// The question must be answered without running the script: one that does not
// know the library would ignore the handover and do its work, once, with no
// request. A script that hides the call in a module of its own is taken for
// cold; that is slower, and right.
func hasForkPoint(script string) (bool, error) {
	f, err := os.Open(script)
	if err != nil {
		// Executable but not readable: the kernel may still run a binary.
		if errors.Is(err, os.ErrPermission) {
			return false, nil
		}
		return false, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, forkPointLimit))
	if err != nil {
		return false, err
	}
	return namesForkPoint(text), nil
}

// namesForkPoint searches a script's text.
func namesForkPoint(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimLeft(line, " \t")
		if !bytes.HasPrefix(line, []byte("#")) && bytes.Contains(line, []byte(forkPointName)) {
			return true
		}
	}
	return false
}
