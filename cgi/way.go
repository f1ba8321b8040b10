package cgi

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A Right is something that this process may do with a file, or not.
type Right string

const (
	// Enter is to go through a folder.
	Enter Right = "enter"
	// Read is to read a file.
	Read Right = "read"
	// Execute is to execute it.
	Execute Right = "execute"
)

// has asks the kernel.
func (r Right) has(file string) bool {
	if r == Read {
		return readable(file)
	}
	return executable(file)
}

// A Step is one entry on the way to a file: a folder that is entered, a symbolic link
// that is followed, or the file itself.
type Step struct {
	Path     string
	Info     fs.FileInfo // of the entry, not of what a link leads to; nil if there is Err
	Link     string      // where a link leads, as it is written
	UID, GID int         // whose it is; -1 if not known
	Needs    []Right     // what must be allowed to go on
	Lacks    []Right     // what of that is not
	Err      error       // why the entry cannot be looked at, such as that there is none
}

// mostLinks is how many symbolic links the kernel follows.
const mostLinks = 40

// A way is one under construction.
type way struct {
	at    string   // the folder where it is
	names []string // still to go
	links int      // followed
	seen  map[string]bool
	steps []Step
}

// Way returns the steps from / to a file, as the kernel takes them, and asks of each
// whether this process may take it. It ends with the first that it may not, that does not
// exist, or that is neither folder nor link. needs are for the last entry; a folder needs
// [Enter] in any case. file is an absolute path.
func Way(file string, needs ...Right) []Step {
	w := way{at: "/", names: segments(file), seen: map[string]bool{}}
	for info := w.step("/"); info != nil && w.take(info, needs) && len(w.names) > 0; {
		next := filepath.Join(w.at, w.names[0]) // which knows . and ..
		w.names = w.names[1:]
		info = w.step(next)
	}
	return w.steps
}

// segments returns the names in a path, but for those that mean nothing.
func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// step adds an entry, and returns what it is; nil if that cannot be known.
func (w *way) step(path string) fs.FileInfo {
	s := Step{Path: path, UID: -1, GID: -1}
	if s.Info, s.Err = os.Lstat(path); s.Err == nil {
		s.UID, s.GID = owner(s.Info)
	}
	w.steps = append(w.steps, s)
	return s.Info
}

// take goes on from the entry that was added last, and reports whether it can.
func (w *way) take(info fs.FileInfo, needs []Right) bool {
	s := &w.steps[len(w.steps)-1]
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return w.follow(s)
	case info.IsDir():
		w.at = s.Path
		s.need(Enter)
		if w.seen[s.Path] {
			w.steps = w.steps[:len(w.steps)-1]
		}
		w.seen[s.Path] = true
		return len(s.Lacks) == 0
	}
	s.need(needs...)
	return false
}

func (w *way) follow(s *Step) bool {
	if w.links++; w.links > mostLinks {
		s.Err = syscall.ELOOP
		return false
	}
	if s.Link, s.Err = os.Readlink(s.Path); s.Err != nil {
		return false
	}
	if filepath.IsAbs(s.Link) {
		w.at = "/"
	}
	w.names = append(segments(s.Link), w.names...)
	return true
}

func (s *Step) need(rights ...Right) {
	s.Needs = rights
	for _, right := range rights {
		if !right.has(s.Path) {
			s.Lacks = append(s.Lacks, right)
		}
	}
}
