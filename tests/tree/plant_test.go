package tree

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// compiler is what makes the programs in C.
const compiler = "/usr/bin/cc"

// buildTools makes the folder that scripts know as @TOOLS@: interpreters of the
// site's own, and a script that is a program in C. They are called like perl,
// since only a program that is called so could be taken for it.
func buildTools(t *testing.T) string {
	t.Helper()
	tools := t.TempDir()
	site.Open(t, tools)
	for source, program := range map[string]string{"program.c": "program.cgi", "perl-site.c": "perl-site"} {
		cmd := exec.Command(compiler, "-o", filepath.Join(tools, program), filepath.Join("testdata", "tools", source))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("cannot compile %s: %v\n%s", source, err, out)
		}
	}
	copyFile(t, filepath.Join("testdata", "tools", "perl"), filepath.Join(tools, "perl"), tools, 0o755)
	return tools
}

// plant copies the tree to folder, which everybody may read and write as a folder
// of a test is not.
func plant(t *testing.T, folder, tools string) {
	t.Helper()
	site.Open(t, folder)
	tree := filepath.Join("testdata", "cgi-bin")
	site.Must(t, filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(folder, strings.TrimPrefix(path, tree))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		// Whatever the umask has made of the tree: others run its scripts, too.
		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		copyFile(t, path, to, tools, mode)
		return nil
	}))
	copyFile(t, filepath.Join(tools, "program.cgi"), filepath.Join(folder, "program.cgi"), tools, 0o755)
	site.Must(t, os.Chmod(filepath.Join(folder, "data"), 0o777))
}

func copyFile(t *testing.T, from, to, tools string, mode fs.FileMode) {
	t.Helper()
	text, err := os.ReadFile(from)
	site.Must(t, err)
	text = []byte(strings.ReplaceAll(string(text), "@TOOLS@", tools))
	site.Must(t, os.WriteFile(to, text, mode))
	site.Must(t, os.Chmod(to, mode))
}
