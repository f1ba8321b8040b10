package cgi

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// steps writes a way, below a folder: "enter d/", "in -> d", "read,execute a.cgi", with
// what is wrong in parentheses.
func steps(way []Step, below string) (list []string) {
	for _, s := range way {
		path, ok := strings.CutPrefix(s.Path, below+"/")
		if !ok {
			continue
		}
		var needs []string
		for _, right := range s.Needs {
			needs = append(needs, string(right))
		}
		text := strings.TrimSpace(strings.Join(needs, ",") + " " + path)
		if s.Link != "" {
			text += " -> " + strings.TrimPrefix(s.Link, below+"/")
		}
		switch {
		case s.Err != nil:
			text += fmt.Sprintf(" (%v)", errors.Is(s.Err, fs.ErrNotExist))
		case len(s.Lacks) > 0:
			text += fmt.Sprint(" (lacks ", s.Lacks, ")")
		case s.UID != os.Getuid():
			text += fmt.Sprint(" of ", s.UID)
		}
		list = append(list, text)
	}
	return list
}

func TestWayIsTheKernels(t *testing.T) {
	root := makeTree(t, "d/e/b.cgi*", "plain.cgi", "in -> d/e", "a.cgi -> in/b.cgi", "loop -> loop")
	base := filepath.Join(root, "a")
	if err := os.Mkdir(base, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root+"/d", base+"/d"); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]string{
		"d/e/b.cgi":      {"enter d", "enter d/e", "read,execute d/e/b.cgi"},
		"d//e/./b.cgi":   {"enter d", "enter d/e", "read,execute d/e/b.cgi"},
		"a.cgi":          {"a.cgi -> in/b.cgi", "in -> d/e", "enter d", "enter d/e", "read,execute d/e/b.cgi"},
		"a/d/e":          {"enter a", "a/d -> d", "enter d", "enter d/e"},
		"plain.cgi":      {"read,execute plain.cgi (lacks [execute])"},
		"plain.cgi/info": {"read,execute plain.cgi (lacks [execute])"},
		"d/none/b.cgi":   {"enter d", "d/none (true)"},
		"d/e/../../d/e":  {"enter d", "enter d/e"},
		"in/../none":     {"in -> d/e", "enter d", "enter d/e", "d/none (true)"},
	} {
		way := Way(root+"/"+file, Read, Execute)
		if got := steps(way, root); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
		if way[0].Path != "/" || !slices.Equal(way[0].Needs, []Right{Enter}) {
			t.Errorf("%s begins with %+v", file, way[0])
		}
	}
	way := Way(root + "/loop")
	if last := way[len(way)-1]; !errors.Is(last.Err, syscall.ELOOP) || len(way) > 60 {
		t.Errorf("a loop: %d steps, the last %+v", len(way), last)
	}
}
