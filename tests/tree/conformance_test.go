package tree

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// What docs/conformance.md names as shown by a test is.
func TestConformanceNamesWhatExists(t *testing.T) {
	text, err := os.ReadFile("../../docs/conformance.md")
	site.Must(t, err)
	cases, _ := readWire(t)
	names := map[string]bool{}
	for _, c := range cases {
		if names[c.name] {
			t.Errorf("two cases are called %s", c.name)
		}
		names[c.name] = true
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasSuffix(line, "shown by |\n") {
			continue
		}
		rows++
		columns := strings.Split(strings.TrimSuffix(line, " |\n"), " | ")
		shown := shownBy.FindAllStringSubmatch(columns[len(columns)-1], -1)
		if rest := shownBy.ReplaceAllString(columns[len(columns)-1], ""); len(shown) == 0 || strings.Trim(rest, ", ") != "" {
			t.Errorf("what shows it is not to be understood: %s", line)
		}
		for _, what := range shown {
			if what[3] != "" && !names[what[3]] {
				t.Errorf("wire.txt has no case %q", what[3])
			}
			if what[1] != "" && !hasTest(t, what[1], what[2]) {
				t.Errorf("%s has no test %s", what[1], what[2])
			}
		}
	}
	if rows == 0 {
		t.Error("there are no rows")
	}
}

// shownBy is a test, `package.Test`, or a *case* of wire.txt.
var shownBy = regexp.MustCompile("`([a-z0-9/]+)\\.(Test\\w+)`|\\*([^*]+)\\*")

// hasTest looks for a test in the files of a package.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	site.Must(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		site.Must(t, err)
		if strings.Contains(string(text), "\nfunc "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}
