package cgi

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// makeTree makes files in a new folder. They are written as `ls -F` shows them:
// "a/" is a folder, "a*" can be executed, "a -> b" is a symbolic link to b.
func makeTree(tb testing.TB, names ...string) string {
	tb.Helper()
	root := tb.TempDir()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	for _, entry := range names {
		name, target, isLink := strings.Cut(entry, " -> ")
		name, isFolder := strings.CutSuffix(name, "/")
		name, isExecutable := strings.CutSuffix(name, "*")
		file := filepath.Join(root, name)
		must(os.MkdirAll(filepath.Dir(file), 0o755))
		mode := fs.FileMode(0o644)
		if isExecutable {
			mode = 0o755
		}
		switch {
		case isLink:
			must(os.Symlink(target, file))
		case isFolder:
			must(os.MkdirAll(file, 0o755))
		default:
			must(os.WriteFile(file, nil, mode))
		}
	}
	return root
}

// kind names the error of Resolve and Single.
func kind(err error) string {
	var (
		badPath   *BadPathError
		forbidden *ForbiddenError
		folder    *FolderError
	)
	switch {
	case errors.Is(err, ErrNotScript):
		return "not a script"
	case errors.As(err, &badPath):
		return "bad path"
	case errors.As(err, &forbidden):
		return "forbidden"
	case errors.As(err, &folder):
		return "folder"
	}
	return fmt.Sprint(err)
}

// A resolution is a path and what it names: "SCRIPT_NAME|PATH_INFO", or the kind
// of error.
type resolution struct{ path, escaped, want string }

// expect checks resolutions in a tree.
func expect(t *testing.T, tree Tree, cases ...resolution) {
	t.Helper()
	for _, c := range cases {
		s, err := tree.Resolve(c.path, c.escaped)
		got := s.Name + "|" + s.PathInfo
		if err != nil {
			got = kind(err)
			if s != (Script{}) || err.Error() == "" {
				t.Errorf("%q: script %+v with error %v", c.path, s, err)
			}
		} else if s.File != filepath.Join(tree.Root, s.Name) || s.Root != tree.Root {
			t.Errorf("%q: file %s, root %s", c.path, s.File, s.Root)
		}
		if got != c.want {
			t.Errorf("%q, escaped %q: got %s, want %s", c.path, c.escaped, got, c.want)
		}
	}
}

var onlyCGI = []string{".cgi"}

func TestScriptIsTheLongestExistingFile(t *testing.T) {
	root := makeTree(t, "a.cgi*", "d/b.cgi*", "foo.cgi/c.cgi*", "text.txt")
	expect(t, Tree{Root: root, Extensions: onlyCGI},
		resolution{"/a.cgi", "", "/a.cgi|"},
		resolution{"/a.cgi/", "", "/a.cgi|/"},
		resolution{"/a.cgi/x/y", "", "/a.cgi|/x/y"},
		resolution{"/a.cgi//x///y/", "", "/a.cgi|//x///y/"},
		resolution{"//d///b.cgi//x", "", "/d/b.cgi|//x"},
		resolution{"/a.cgi/b.cgi", "", "/a.cgi|/b.cgi"},
		resolution{"/foo.cgi/c.cgi/x", "", "/foo.cgi/c.cgi|/x"},
		resolution{"a.cgi", "", "/a.cgi|"},
		resolution{"/foo.cgi", "", "not a script"},
		resolution{"/foo.cgi/", "", "not a script"},
		resolution{"/foo.cgi/none", "", "not a script"},
		resolution{"/none.cgi", "", "not a script"},
		resolution{"/none/a.cgi", "", "not a script"},
		resolution{"/text.txt", "", "not a script"},
		resolution{"/text.txt/a.cgi", "", "not a script"},
		resolution{"/", "", "not a script"},
		resolution{"", "", "not a script"},
		resolution{"/" + strings.Repeat("a", 5000) + ".cgi", "", "not a script"},
	)
	expect(t, Tree{Root: filepath.Join(root, "none"), Extensions: onlyCGI}, resolution{"/a.cgi", "", "not a script"})
}

func TestExtensionFoldsNothingButASCII(t *testing.T) {
	scripts := []string{"a.cgi", "a.CGI", "a.cGi", ".cgi", "b.cgi.ks", "b.KS", "\u212a.ks"}
	others := []string{
		"cgi", "acgi", "a.cgi.txt", "a.cgi~", "a.cgi ", "a.c\xffgi",
		"a.\uff43\uff47\uff49",     // fullwidth
		"a.cg\u0130", "a.cg\u0131", // i with a dot above as capital, and without as small letter
		"a.\u212as", // Kelvin, whose small letter is k
		"a.k\u017f", // long s, whose capital is S
	}
	tree := Tree{Root: t.TempDir(), Extensions: []string{".cgi", ".Ks"}}
	for i, name := range append(scripts, others...) {
		if err := os.WriteFile(filepath.Join(tree.Root, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
		want := "not a script"
		if i < len(scripts) {
			want = "/" + name + "|"
		}
		expect(t, tree, resolution{"/" + name, "", want})
	}
}

func TestStarMeansEveryExecutableFile(t *testing.T) {
	expect(t, Tree{Root: makeTree(t, "run*", "data", "run.d/"), Extensions: []string{AnyExecutable}},
		resolution{"/run/x", "", "/run|/x"},
		resolution{"/data", "", "not a script"},
		resolution{"/run.d", "", "not a script"},
	)
}

func TestIllegalPathsAreRefused(t *testing.T) {
	expect(t, Tree{Root: makeTree(t, "a.cgi*", "d/b.cgi*"), Extensions: onlyCGI},
		resolution{"/a.cgi\x00", "", "bad path"},
		resolution{"/a.cgi/x\x00y", "", "bad path"},
		resolution{"/./a.cgi", "", "bad path"},
		resolution{"/d/../a.cgi", "", "bad path"},
		resolution{"/../a.cgi", "", "bad path"},
		resolution{"..", "", "bad path"},
		resolution{"/.../a.cgi", "", "not a script"},
	)
}

func TestEscapedPathNamesTheSameScript(t *testing.T) {
	root := makeTree(t, "a.cgi*", "d/b.cgi*", "d/index.cgi*", "a b.cgi*", "50%.cgi*")
	expect(t, Tree{Root: root, Extensions: onlyCGI, Index: []string{"index.cgi"}},
		resolution{"/a.cgi/x/y", "/a.cgi/x%2Fy", "/a.cgi|/x/y"},
		resolution{"/a b.cgi", "/a%20b.cgi", "/a b.cgi|"},
		resolution{"/50%.cgi/%", "/50%25.cgi/%25", "/50%.cgi|/%"},
		resolution{"/d/b.cgi", "//%64//b%2ecgi", "/d/b.cgi|"},
		resolution{"/d/", "/%64/", "/d/index.cgi|"},
		resolution{"/d/b.cgi", "/d%2Fb.cgi", "bad path"},
		resolution{"/d/b.cgi", "/d%2fb.cgi/x", "bad path"},
		resolution{"/a.cgi/x", "/a.cgi%2Fx", "bad path"},
		resolution{"//a.cgi", "/%2Fa.cgi", "bad path"},
		resolution{"///a.cgi", "/%2F/a.cgi", "bad path"},
		resolution{"/d/", "/d%2F", "bad path"},
		resolution{"/d//", "/d%2F/", "bad path"},
		resolution{"/d/b.cgi", "/d", "bad path"},
		resolution{"/a.cgi", "/%zz", "bad path"},
	)
}

func TestIndexAnswersForItsFolder(t *testing.T) {
	root := makeTree(t, "index.pl*", "both/index.cgi*", "both/index.pl*", "bare/a.cgi*", "text/index.txt",
		"folder/index.cgi/", "folder/index.pl*", "locked/index.cgi", "locked/index.pl*", "mixed/index.txt", "mixed/index.pl*")
	expect(t, Tree{Root: root, Extensions: []string{".cgi", ".pl"}, Index: []string{"index.txt", "index.cgi", "index.pl"}},
		resolution{"/", "", "/index.pl|"},
		resolution{"", "", "folder"},
		resolution{"/both/", "", "/both/index.cgi|"},
		resolution{"//both//", "", "/both/index.cgi|"},
		resolution{"/both", "", "folder"},
		resolution{"/both/x", "", "not a script"},
		resolution{"/bare", "", "not a script"},
		resolution{"/bare/", "", "not a script"},
		resolution{"/text/", "", "not a script"},
		resolution{"/folder/", "", "/folder/index.pl|"},
		resolution{"/mixed/", "", "/mixed/index.pl|"},
		resolution{"/locked/", "", "forbidden"},
	)
}

func TestScriptThatCannotRunIsForbidden(t *testing.T) {
	root := makeTree(t, "a.pl", "a.cgi", "x.pl*")
	tree := Tree{Root: root, Extensions: []string{".pl", ".cgi"}}
	expect(t, tree, resolution{"/a.pl", "", "forbidden"}, resolution{"/x.pl", "", "/x.pl|"})
	tree.Interpreted = func(file string) bool { return HasExtension(file, ".pl") }
	expect(t, tree, resolution{"/a.pl", "", "/a.pl|"}, resolution{"/a.cgi", "", "forbidden"})

	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	if err := os.Chmod(filepath.Join(root, "a.pl"), 0o311); err != nil {
		t.Fatal(err)
	}
	expect(t, tree, resolution{"/a.pl", "", "forbidden"})
}

func TestLinksLeadOutOfTheRootOnlyWhereAllowed(t *testing.T) {
	outside := makeTree(t, "out.cgi*", "index.cgi*", "out.txt")
	root := makeTree(t, "d/a.cgi*", "rel.cgi -> d/a.cgi", "up/a.cgi -> ../d/a.cgi", "dir -> d", "twice -> dir",
		"dangling.cgi -> none", "loop.cgi -> loop.cgi", "null.cgi -> "+os.DevNull, "out.cgi -> "+outside+"/out.cgi", "out -> "+outside)
	if err := os.Symlink(filepath.Join(root, "d/a.cgi"), filepath.Join(root, "abs.cgi")); err != nil {
		t.Fatal(err)
	}
	linkToRoot := filepath.Join(t.TempDir(), "www")
	if err := os.Symlink(root, linkToRoot); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{root, linkToRoot, root + "/"} {
		for links, allowed := range map[Symlinks]bool{"": false, Inside: false, Follow: true} {
			// led is what is reached through a link that leaves the root.
			led := func(s string) string {
				if allowed {
					return s
				}
				return "forbidden"
			}
			expect(t, Tree{Root: root, Extensions: onlyCGI, Symlinks: links, Index: []string{"index.cgi"}},
				resolution{"/d/a.cgi", "", "/d/a.cgi|"},
				resolution{"/rel.cgi/x", "", "/rel.cgi|/x"},
				resolution{"/up/a.cgi", "", "/up/a.cgi|"},
				resolution{"/abs.cgi", "", "/abs.cgi|"},
				resolution{"/twice/a.cgi", "", "/twice/a.cgi|"},
				resolution{"/out.cgi", "", led("/out.cgi|")},
				resolution{"/out/out.cgi/x", "", led("/out/out.cgi|/x")},
				resolution{"/out/", "", led("/out/index.cgi|")},
				resolution{"/out/out.txt", "", "not a script"},
				resolution{"/dangling.cgi", "", "not a script"},
				resolution{"/loop.cgi", "", "not a script"},
				resolution{"/null.cgi", "", "forbidden"},
			)
		}
	}
}

func TestSingleScriptAnswersForEveryPath(t *testing.T) {
	root := makeTree(t, "a.cgi*", "plain.pl", "folder/")
	perl := func(file string) bool { return HasExtension(file, ".pl") }
	for _, c := range []struct{ file, name, path, want string }{
		{"a.cgi", "/app", "/app", "/app|"},
		{"a.cgi", "/app", "/app/x//y", "/app|/x//y"},
		{"a.cgi", "/app", "/apple", "/app|/apple"},
		{"a.cgi", "/app", "/other", "/app|/other"},
		{"a.cgi", "", "/x", "|/x"},
		{"a.cgi", "", "", "|"},
		{"plain.pl", "/app", "/app", "/app|"},
		{"a.cgi", "", "/x\x00", "bad path"},
		{"a.cgi", "", "*", "bad path"},
		{"folder", "", "/", "forbidden"},
	} {
		s, err := Single(filepath.Join(root, c.file), c.name, c.path, root, perl)
		got := s.Name + "|" + s.PathInfo
		if err != nil {
			got = kind(err)
		} else if s.File != filepath.Join(root, c.file) || s.Root != root {
			t.Errorf("%q: file %s, root %s", c.path, s.File, s.Root)
		}
		if got != c.want {
			t.Errorf("%s as %q for %q: got %s, want %s", c.file, c.name, c.path, got, c.want)
		}
	}
	if _, err := Single(filepath.Join(root, "plain.pl"), "", "/", root, nil); kind(err) != "forbidden" {
		t.Errorf("a file that cannot be executed: %v", err)
	}
	if _, err := Single(filepath.Join(root, "none"), "", "/", root, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
