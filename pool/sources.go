package pool

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Sources are the files that a server was made from, each with its signature as
// it was before setup began. They do not change; a new version has new ones.
type sources struct {
	files []*source
	paths map[string]bool // of files
	trees []string        // folders of which everything is a source
	plain map[string]bool // while they are looked at: what is no link, and does not stand at the end of a path

	trail atomic.Pointer[trail] // nil while nobody watches
}

// A source is one path, and what was there.
type source struct {
	path string
	link bool // the signature is of the symbolic link itself
	lack bool // it was looked for, and is not what was loaded
	sig  signature
	racy *racy // nil if any later change shows in the signature
}

// A racy source was changed so shortly before it was looked at that one more
// change could leave the same signature: times in a file system advance in
// ticks. Until a tick has passed its contents are compared too.
type racy struct {
	sum     [sha256.Size]byte
	settled atomic.Bool
}

// Ticks of file system clocks: the kernel's coarse clock advances at least
// every 10 ms, and file systems that keep no fractions every second or two.
const (
	fineTick   = 50 * time.Millisecond
	coarseTick = 2100 * time.Millisecond
)

// sumLimit is how much of a racy file is compared.
const sumLimit = 16 << 20

// maxHops is how many symbolic links in a row are followed, as in the kernel.
const maxHops = 40

// takeSources looks at paths, which are absolute. What does not exist is a
// source too: it may come into being.
func takeSources(paths []string) *sources {
	s := &sources{paths: map[string]bool{}, plain: map[string]bool{}}
	for _, path := range paths {
		s.addPath(filepath.Clean(path))
	}
	s.plain = nil
	return s
}

// with returns s, the files at paths, and what is missing, all absolute. What s has
// already keeps its signature.
func (s *sources) with(paths, missing []string) *sources {
	more := &sources{
		files: slices.Clone(s.files), paths: maps.Clone(s.paths), trees: slices.Clone(s.trees), plain: map[string]bool{},
	}
	for _, path := range paths {
		more.add(more.addLinks(filepath.Clean(path)), false)
	}
	more.addMissing(missing)
	more.plain = nil
	return more
}

// addMissing adds paths where a file would be loaded. Where the folder is missing
// too, the first that is missing on the way stands for all below.
func (s *sources) addMissing(paths []string) {
	begins := map[string]string{} // what is missing of each folder; empty if it is there
	there := map[string]string{}  // each folder without links
	for _, path := range paths {
		path = filepath.Clean(path)
		folder := filepath.Dir(path)
		if _, known := there[folder]; !known {
			there[folder] = s.addLinks(folder)
			begins[folder] = firstMissing(there[folder])
		}
		path = cmp.Or(begins[folder], filepath.Join(there[folder], filepath.Base(path)))
		if !s.paths[path] {
			s.add(path, false)
			s.files[len(s.files)-1].lack = true
		}
	}
}

// firstMissing returns the highest folder on the way to folder that does not exist,
// or folder itself; empty if all exist.
func firstMissing(folder string) (missing string) {
	for ; !sign(folder, false).exists; folder = filepath.Dir(folder) {
		missing = folder
	}
	return missing
}

// changedAfter reports whether one of the sources that before has not was changed
// at a time, or later, or so shortly before that the file system's clock cannot
// tell.
func (s *sources) changedAfter(before *sources, t time.Time) bool {
	for _, file := range s.files[len(before.files):] {
		if file.sig.exists && !file.sig.before(t) || file.deleted() || file.appeared(t) {
			return true
		}
	}
	return false
}

// appeared reports whether a file that has not been loaded may have come, in its
// folder, since a time.
func (f *source) appeared(t time.Time) bool {
	return f.lack && f.sig.exists && !sign(filepath.Dir(f.path), false).before(t)
}

// deleted reports whether a file that has been loaded is gone. Interpreters also
// name files that never were, such as those in an archive.
func (f *source) deleted() bool {
	if f.sig.exists || f.lack {
		return false
	}
	info, err := os.Stat(filepath.Dir(f.path))
	return err == nil && info.IsDir()
}

// addPath adds what is at path: the links on the way, the file or folder, and all
// that is below a folder.
func (s *sources) addPath(path string) {
	target := s.addLinks(path)
	s.add(target, false)
	if info, err := os.Stat(target); err == nil && info.IsDir() && !s.inTree(target) {
		s.addTree(target)
	}
}

// inTree reports whether a path is a tree's, or below one.
func (s *sources) inTree(path string) bool {
	return slices.ContainsFunc(s.trees, func(tree string) bool { return below(path, tree) })
}

// below reports whether path is folder or below it.
func below(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// addLinks adds every symbolic link on the way to path and returns the path
// without them. Most files are in a folder that another is in: it is looked at once.
func (s *sources) addLinks(path string) string {
	done := "/"
	if folder := filepath.Dir(path); s.plain[folder] {
		done = folder
	}
	rest := strings.Split(strings.Trim(path[len(done):], "/"), "/")
	for hops := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		step := filepath.Join(done, name)
		if s.plain[step] {
			done = step
			continue
		}
		info, err := os.Lstat(step)
		if errors.Is(err, fs.ErrNotExist) { // and so is all below it
			return filepath.Join(append([]string{step}, rest...)...)
		}
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			done = step
			if len(rest) > 0 {
				s.plain[step] = true
			}
			continue
		}
		s.add(step, true)
		target, err := os.Readlink(step)
		if hops++; err != nil || hops > maxHops {
			return filepath.Join(append([]string{step}, rest...)...)
		}
		if filepath.IsAbs(target) {
			done = "/"
		}
		rest = append(strings.Split(strings.Trim(target, "/"), "/"), rest...)
	}
	return done
}

// addTree adds all that is below a folder.
func (s *sources) addTree(folder string) {
	s.trees = append(s.trees, folder)
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return nil // what cannot be read cannot be loaded either
		}
		if entry.Type()&fs.ModeSymlink == 0 {
			s.add(path, false)
			return nil
		}
		// A link to where we come from leads round in a circle.
		if target, err := filepath.EvalSymlinks(path); err == nil && below(folder, target) {
			s.addLinks(path)
			return nil
		}
		s.addPath(path)
		return nil
	})
}

// add looks at one path. The time is taken first: what happens after it is
// later than what is seen.
func (s *sources) add(path string, link bool) {
	if s.paths[path] {
		return
	}
	now := time.Now()
	file := &source{path: path, link: link, sig: sign(path, link)}
	if file.sig.exists && now.Sub(file.sig.ctime()) < file.sig.tick() {
		file.racy = &racy{sum: sum(path, link)}
	}
	s.files = append(s.files, file)
	s.paths[path] = true
}

// same reports whether all sources are what they were.
func (s *sources) same() bool {
	for _, file := range s.files {
		if !file.same() {
			return false
		}
	}
	return true
}

func (f *source) same() bool {
	now := time.Now()
	if sign(f.path, f.link) != f.sig {
		return false
	}
	if f.racy == nil || f.racy.settled.Load() {
		return true
	}
	if sum(f.path, f.link) != f.racy.sum {
		return false
	}
	// A change after now would have a later time than the signature's.
	if now.Sub(f.sig.ctime()) >= f.sig.tick() {
		f.racy.settled.Store(true)
	}
	return true
}

// tick returns by how much two changes must be apart to have different times.
func (s signature) tick() time.Duration {
	if s.ctimeNsec == 0 {
		return coarseTick
	}
	return fineTick
}

// before reports whether a file was there, as it is, at a time for sure.
func (s signature) before(t time.Time) bool {
	return s.exists && s.ctime().Add(s.tick()).Before(t)
}

func (s signature) ctime() time.Time { return time.Unix(s.ctimeSec, s.ctimeNsec) }

// sum returns a hash of what is at path: the contents of a file, the target of a
// link, the names in a folder.
func sum(path string, link bool) [sha256.Size]byte {
	h := sha256.New()
	switch info, err := os.Lstat(path); {
	case err != nil:
	case link:
		target, _ := os.Readlink(path)
		_, _ = io.WriteString(h, target)
	case info.IsDir():
		entries, _ := os.ReadDir(path) // in order
		for _, entry := range entries {
			_, _ = io.WriteString(h, entry.Name()+"\x00")
		}
	case info.Mode().IsRegular(): // anything else may block
		if file, err := os.Open(path); err == nil {
			_, _ = io.Copy(h, io.LimitReader(file, sumLimit))
			_ = file.Close()
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}
