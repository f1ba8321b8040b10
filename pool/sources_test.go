package pool

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// tree is a folder of files for a test.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) tree {
	t.Helper()
	return tree{t, t.TempDir()}
}

func (d tree) path(name string) string { return filepath.Join(d.root, name) }

func (d tree) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d tree) write(name, text string) {
	d.t.Helper()
	d.must(os.MkdirAll(filepath.Dir(d.path(name)), 0o755))
	d.must(os.WriteFile(d.path(name), []byte(text), 0o644))
}

func (d tree) link(name, target string) {
	d.t.Helper()
	d.must(os.Symlink(target, d.path(name)))
}

func (d tree) rename(from, to string) {
	d.t.Helper()
	d.must(os.Rename(d.path(from), d.path(to)))
}

// age makes a file's times lie in the past, as those of a file that has been
// there for long. The ctime cannot be set; so it is waited for.
func (d tree) age(name string) {
	d.t.Helper()
	then := time.Now().Add(-time.Hour)
	d.must(os.Chtimes(d.path(name), then, then))
}

// changes are those that no request may miss, each in a tree that newSources has made.
var changes = map[string]func(d tree){
	"append":              func(d tree) { d.write("app", "onetwo") },
	"same size, at once":  func(d tree) { d.write("app", "two") },
	"truncation":          func(d tree) { d.must(os.Truncate(d.path("app"), 0)) },
	"rename over":         func(d tree) { d.write("new", "one"); d.rename("new", "app") },
	"rename over, older":  func(d tree) { d.write("new", "one"); d.age("new"); d.rename("new", "app") },
	"older time":          func(d tree) { d.age("app") },
	"mode":                func(d tree) { d.must(os.Chmod(d.path("app"), 0o700)) },
	"deletion":            func(d tree) { d.must(os.Remove(d.path("app"))) },
	"link switched":       func(d tree) { d.must(os.Remove(d.path("current"))); d.link("current", "v2") },
	"link replaced":       func(d tree) { d.link("next", "v2"); d.rename("next", "current") },
	"linked file":         func(d tree) { d.write("v1/lib", "changed") },
	"other name of it":    func(d tree) { d.write("v3/lib", "changed") },
	"same file elsewhere": func(d tree) { d.must(os.Remove(d.path("current"))); d.link("current", "v3") },
	"folder replaced":     func(d tree) { d.rename("v1", "old"); d.rename("v2", "v1") },
	"folder moved":        func(d tree) { d.rename("a", "old") },
	"in the tree":         func(d tree) { d.write("tree/sub/b", "changed") },
	"new in the tree":     func(d tree) { d.write("tree/sub/c", "new") },
	"deleted in the tree": func(d tree) { d.must(os.Remove(d.path("tree/a"))) },
	"comes into being":    func(d tree) { d.write("absent", "") },
	"comes with a folder": func(d tree) { d.write("no/folder/here", "") },
	"comes by a move":     func(d tree) { d.write("new/folder/here", ""); d.rename("new", "no") },
}

// newSources returns the sources of a tree that changes fit.
func newSources(d tree) *sources {
	d.t.Helper()
	d.write("app", "one")
	d.write("v1/lib", "one")
	d.write("v2/lib", "one")
	d.must(os.Mkdir(d.path("v3"), 0o755))
	d.must(os.Link(d.path("v1/lib"), d.path("v3/lib"))) // as rsync --link-dest leaves it
	d.write("a/b/c/lib", "one")
	d.write("tree/a", "one")
	d.write("tree/sub/b", "one")
	d.link("current", "v1")
	return takeSources([]string{
		d.path("app"), d.path("current/lib"), d.path("a/b/c/lib"), d.path("tree"), d.path("absent"), d.path("no/folder/here"),
	})
}

func TestSourcesSeeEveryKindOfChange(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			d := newTree(t)
			s := newSources(d)
			for range 3 {
				if !s.same() {
					t.Fatal("changed before the change")
				}
			}
			change(d)
			if s.same() {
				t.Error("not seen")
			}
		})
	}
}

func TestRacySourceSettles(t *testing.T) {
	d := newTree(t)
	d.write("app", "one")
	s := takeSources([]string{d.path("app")})
	file := s.files[len(s.files)-1]
	if file.racy == nil {
		t.Fatal("a file of this moment is not racy")
	}
	for deadline := time.Now().Add(5 * time.Second); !file.racy.settled.Load(); {
		if !s.same() || time.Now().After(deadline) {
			t.Fatal("does not settle")
		}
	}
	d.write("app", "two")
	if s.same() {
		t.Error("a change after it has settled is not seen")
	}
}

func TestSourcesEndAtALoop(t *testing.T) {
	d := newTree(t)
	d.link("a", "b")
	d.link("b", "a")
	if s := takeSources([]string{d.path("a/x")}); !s.same() {
		t.Error("changed by itself")
	}
}

func TestSourcesThroughRelativeAndAbsoluteLinks(t *testing.T) {
	d := newTree(t)
	d.write("real/deep/lib", "one")
	d.link("real/up", "../real/deep")
	d.link("abs", d.path("real"))
	s := takeSources([]string{d.path("abs/up/lib")})
	real, err := filepath.EvalSymlinks(d.path("real/deep/lib"))
	if err != nil || !s.paths[real] || !s.paths[d.path("abs")] {
		t.Errorf("paths are %v, want %s", s.paths, real)
	}
}

func TestTreeGoesOnBehindLinks(t *testing.T) {
	d, shared := newTree(t), newTree(t)
	d.write("lib/own", "one")
	shared.write("deep/file", "one")
	d.link("lib/shared", shared.root)
	d.link("lib/round", d.root)
	seen := takeSources([]string{d.path("lib")})
	if n := len(seen.files); n > 20 {
		t.Errorf("%d files: round in a circle", n)
	}
	shared.write("deep/file", "changed")
	if seen.same() {
		t.Error("a change behind a link is not seen")
	}
}
