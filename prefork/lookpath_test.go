package prefork

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProgramIsSearchedInTheScriptsPath(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	t.Setenv("PATH", filepath.Join(root, "ours"))
	for _, folder := range []string{"ours", "a", "b", "c/perl"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for file, mode := range map[string]os.FileMode{"ours/ours": 0o755, "a/perl": 0o644, "b/perl": 0o755, "a/ruby": 0o755, "b/ruby": 0o755} {
		if err := os.WriteFile(filepath.Join(root, file), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../b/perl", filepath.Join(root, "a/perl5")); err != nil {
		t.Fatal(err)
	}
	path := func(folders ...string) []string {
		for i, folder := range folders {
			folders[i] = filepath.Join(root, folder)
		}
		return []string{"PATH=" + strings.Join(folders, string(filepath.ListSeparator))}
	}
	for _, c := range []struct {
		program string
		env     []string
		want    string // below root; empty where it is not found
	}{
		{"ruby", path("a", "b"), "a/ruby"},
		{"perl", path("c", "none", "a", "b"), "b/perl"}, // a folder, a missing one, a file that cannot be executed
		{"perl5", path("a"), "a/perl5"},
		{"perl", append(path("a"), path("b")...), "b/perl"}, // the last PATH wins
		{"perl", path("a"), ""},
		{"ours", path("a"), ""},
		{"perl", []string{"PATH=b:./b::."}, ""},
		{"perl", []string{"PATH="}, ""},
		{"perl", []string{"XPATH=" + root + "/b"}, ""},
		{"", path("a"), ""},
	} {
		got, err := lookPath(c.program, c.env)
		if want := filepath.Join(root, c.want); c.want != "" && (got != want || err != nil) {
			t.Errorf("%q in %q: got %q, %v; want %q", c.program, c.env, got, err, want)
		}
		if c.want == "" && (err == nil || !strings.HasPrefix(err.Error(), "cannot find interpreter ")) {
			t.Errorf("%q in %q: got %q, %v", c.program, c.env, got, err)
		}
	}
}

func TestProgramWithASlashIsNotSearched(t *testing.T) {
	for _, program := range []string{"/usr/bin/perl", "./perl", "bin/perl", "/"} {
		if got, err := lookPath(program, nil); got != program || err != nil {
			t.Errorf("%q: got %q, %v", program, got, err)
		}
	}
}
