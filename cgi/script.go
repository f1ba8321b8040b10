package cgi

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNotScript says that a path is not a script's. Somebody else may answer it.
var ErrNotScript = errors.New("not a script")

// ErrNotFound says that the one script of a [Single] does not exist.
var ErrNotFound = errors.New("cannot find the script")

// A BadPathError says that a path is refused for its form, whatever is there.
type BadPathError struct{ Reason string }

func (e *BadPathError) Error() string { return "illegal path: " + e.Reason }

// A ForbiddenError says that a path is a script's, which may not be run. It must
// not be answered with the file's contents either.
type ForbiddenError struct {
	File   string
	Reason string // and what to do
}

// LeadsOut is the reason of those that are not about permissions: no chmod is the remedy.
const LeadsOut = "a symbolic link leads out of the root; `symlinks follow` allows that"

func (e *ForbiddenError) Error() string { return fmt.Sprintf("cannot run %s: %s", e.File, e.Reason) }

// A FolderError says that a path is a folder's that has an index script, and
// lacks the slash at its end without which the script's relative links fail.
type FolderError struct{ Path string }

func (e *FolderError) Error() string { return e.Path + " is a folder: a slash is missing" }

// Symlinks says where symbolic links may lead.
type Symlinks string

const (
	// Inside lets links lead to anything under the root. The root itself may be
	// reached through links.
	Inside Symlinks = "inside"
	// Follow lets them lead anywhere.
	Follow Symlinks = "follow"
)

// AnyExecutable as an extension stands for every executable file.
const AnyExecutable = "*"

// A Tree is a folder of scripts and says which of its files are scripts.
type Tree struct {
	// Root is the absolute path of the folder.
	Root string

	// Extensions with which a file name of a script ends, such as ".cgi"; or
	// [AnyExecutable]. ASCII letters match in either case; no other folding is
	// done, since what a file system or a browser folds beyond ASCII would let a
	// name pass for another.
	Extensions []string

	// Interpreted reports whether a file is given to an interpreter, so that it
	// need not be executable. Nil: none is.
	Interpreted func(file string) bool

	// Index names scripts that answer for the folder they are in; the first that
	// exists does.
	Index []string

	// Symlinks: where symbolic links may lead. Default: [Inside].
	Symlinks Symlinks
}

// A Script is a script and the part of the URL that addresses it.
type Script struct {
	File     string // absolute path
	Name     string // SCRIPT_NAME: RFC 3875 section 4.1.13
	PathInfo string // PATH_INFO: section 4.1.5
	Root     string // DOCUMENT_ROOT, and what PATH_INFO is translated under
}

// Resolve finds the script that a URL path addresses: the longest prefix of the
// path that exists as a file; what follows is PATH_INFO (section 3.3).
//
// urlPath is the decoded path without dot segments. escaped is the path as the
// client wrote it, likewise without dot segments, or empty where decoding it
// gives urlPath and nothing else could. When both name different scripts, as
// with an escaped slash, the path is refused: what other handlers have allowed
// must be what is run.
//
// Errors: [ErrNotScript], *[BadPathError], *[ForbiddenError], *[FolderError].
func (t Tree) Resolve(urlPath, escaped string) (Script, error) {
	if strings.IndexByte(urlPath, 0) >= 0 {
		return Script{}, &BadPathError{"it contains a NUL byte"}
	}
	w := walk{file: t.Root, rest: urlPath}
	for {
		segment, ok := w.next()
		if !ok {
			return t.index(&w, urlPath, escaped)
		}
		if segment == "." || segment == ".." {
			return Script{}, &BadPathError{"it contains dot segments"}
		}
		info, err := w.enter(segment)
		if err != nil {
			return Script{}, ErrNotScript
		}
		switch {
		case info.IsDir():
			continue
		case !t.isScript(w.file, info):
			return Script{}, ErrNotScript
		case !info.Mode().IsRegular():
			return Script{}, &ForbiddenError{w.file, "it is a device, a pipe or a socket"}
		}
		return t.script(&w, info, escaped)
	}
}

// A walk goes down from the root, one segment at a time.
type walk struct {
	file   string // where it is
	name   string // its URL path
	rest   string // of the path
	linked bool   // a symbolic link was passed
}

// next takes the next segment from the rest. Empty ones do not count.
func (w *walk) next() (string, bool) {
	rest := strings.TrimLeft(w.rest, "/")
	if rest == "" {
		return "", false
	}
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	w.rest = rest[end:]
	return rest[:end], true
}

// enter goes to an entry of the folder where the walk is.
func (w *walk) enter(segment string) (fs.FileInfo, error) {
	w.name += "/" + segment
	w.file = filepath.Join(w.file, segment)
	info, err := os.Lstat(w.file)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		w.linked = true
		info, err = os.Stat(w.file)
	}
	return info, err
}

// script answers for a file that is a script's.
func (t Tree) script(w *walk, info fs.FileInfo, escaped string) (Script, error) {
	if escaped != "" && !sameScript(w.name, escaped) {
		return Script{}, &BadPathError{"its escaped and its decoded form name different scripts"}
	}
	if w.linked && t.Symlinks != Follow && !within(t.Root, w.file) {
		return Script{}, &ForbiddenError{w.file, LeadsOut}
	}
	if err := runnable(w.file, info, t.Interpreted); err != nil {
		return Script{}, err
	}
	return Script{File: w.file, Name: w.name, PathInfo: w.rest, Root: t.Root}, nil
}

// isScript reports whether a file is a script's by its name, or its mode.
func (t Tree) isScript(file string, info fs.FileInfo) bool {
	return slices.ContainsFunc(t.Extensions, func(extension string) bool {
		if extension == AnyExecutable {
			return info.Mode().IsRegular() && info.Mode()&0o111 != 0
		}
		return HasExtension(file, extension)
	})
}

// HasExtension reports whether a file's name ends with an extension, with ASCII
// letters in either case.
func HasExtension(file, extension string) bool {
	return strings.HasSuffix(lowerASCII(filepath.Base(file)), lowerASCII(extension))
}

// lowerASCII is strings.ToLower for ASCII letters and nothing else.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// sameScript reports whether an escaped path names the script of this name: its
// first segments, each decoded by itself, are the name's.
func sameScript(name, escaped string) bool {
	e := walk{rest: escaped}
	for want := range strings.SplitSeq(name[1:], "/") {
		segment, ok := e.next()
		if !ok {
			return false
		}
		if got, err := url.PathUnescape(segment); err != nil || got != want {
			return false
		}
	}
	return true
}

// runnable says why a script may not be run.
func runnable(file string, info fs.FileInfo, interpreted func(string) bool) error {
	executed := interpreted == nil || !interpreted(file)
	// Root may execute anything that anybody may; access(2) knows the rest.
	switch anybody := info.Mode()&0o111 != 0; {
	case executed && anybody && runnableAsItIs(file): // most are
		return nil
	case !readable(file):
		return &ForbiddenError{file, "it is not readable"}
	case executed && (!anybody || !executable(file)):
		return &ForbiddenError{file, "it is not executable, and no interpreter is set for it"}
	}
	return nil
}

// within reports whether file, with all links followed, lies under root.
func within(root, file string) bool {
	realRoot, err := filepath.EvalSymlinks(root)
	if err != nil {
		return false
	}
	realFile, err := filepath.EvalSymlinks(file)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(realRoot, realFile)
	return err == nil && filepath.IsLocal(rel)
}

// index answers for a folder.
func (t Tree) index(w *walk, urlPath, escaped string) (Script, error) {
	for _, name := range t.Index {
		there := *w
		info, err := there.enter(name)
		if err != nil || !info.Mode().IsRegular() || !t.isScript(there.file, info) {
			continue
		}
		if !strings.HasSuffix(urlPath, "/") {
			return Script{}, &FolderError{urlPath}
		}
		there.rest = ""
		if escaped != "" {
			escaped = path.Join(escaped, url.PathEscape(name))
		}
		return t.script(&there, info, escaped)
	}
	return Script{}, ErrNotScript
}

// Single returns the script for a request when one file answers all of them.
// name is its SCRIPT_NAME, which may be empty; what follows it in urlPath is
// PATH_INFO, and all of urlPath where it does not begin with name. interpreted
// is as in [Tree].
//
// Errors: *[BadPathError], *[ForbiddenError], [ErrNotFound].
func Single(file, name, urlPath, root string, interpreted func(string) bool) (Script, error) {
	if strings.IndexByte(urlPath, 0) >= 0 {
		return Script{}, &BadPathError{"it contains a NUL byte"}
	}
	if urlPath != "" && urlPath[0] != '/' { // "*", which is for OPTIONS and servers
		return Script{}, &BadPathError{"it does not begin with a slash"}
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return Script{}, &ForbiddenError{file, "its folder may not be searched"}
	case err != nil:
		return Script{}, fmt.Errorf("%w: %w", ErrNotFound, err)
	case !info.Mode().IsRegular():
		return Script{}, &ForbiddenError{file, "it is not a file"}
	}
	if err := runnable(file, info, interpreted); err != nil {
		return Script{}, err
	}
	s := Script{File: file, Name: name, PathInfo: urlPath, Root: root}
	if rest, ok := strings.CutPrefix(urlPath, name); ok && (rest == "" || rest[0] == '/') {
		s.PathInfo = rest
	}
	return s, nil
}
