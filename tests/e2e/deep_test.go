package e2e

import (
	"fmt"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// A module three imports deep is edited and asked for, again and again: no answer
// is ever older than the edit.
func TestDeepModuleIsNeverStale(t *testing.T) {
	for _, c := range []struct {
		script, deepest, text string
		files                 map[string]string
	}{
		{"app.pl", "-Deepest.pm", "package Deepest; sub number { %d } 1;\n", map[string]string{
			"app.pl":     "#!/usr/bin/perl\nuse FindBin; use lib $FindBin::Bin; use Top;\nprint \"Content-Type: text/plain\\n\\n\", Deepest::number();\n",
			"-Top.pm":    "package Top; use Middle; 1;\n",
			"-Middle.pm": "package Middle; use Deepest; 1;\n",
		}},
		{"app.py", "-deepest.py", "number = %d\n", map[string]string{
			"app.py":     "#!/usr/bin/python3\nimport top, deepest\nprint('Content-Type: text/plain\\n')\nprint(deepest.number, end='')\n",
			"-top.py":    "import middle\n",
			"-middle.py": "import deepest\n",
		}},
		{"app.rb", "-deepest.rb", "NUMBER = %d\n", map[string]string{
			"app.rb":     "#!/usr/bin/ruby\nrequire_relative 'top'\nprint \"Content-Type: text/plain\\n\\n\", NUMBER\n",
			"-top.rb":    "require_relative 'middle'\n",
			"-middle.rb": "require_relative 'deepest'\n",
		}},
	} {
		t.Run(c.script, func(t *testing.T) {
			t.Parallel()
			c.files[c.deepest] = fmt.Sprintf(c.text, 0)
			s := site.Serve(t, withMode+"prefork_cgi", c.files)
			s.Want(s.Get("/"+c.script), 200, "0")
			stale := 0
			for i := 1; i <= edits(40); i++ {
				s.Write(c.deepest, fmt.Sprintf(c.text, i))
				r := s.Get("/" + c.script)
				if r.Status != 200 || r.Body != fmt.Sprint(i) {
					stale++
					t.Logf("edit %d: %d %q", i, r.Status, r.Body)
				}
			}
			if stale > 0 {
				t.Errorf("%d edits were not seen", stale)
			}
			wantMode(t, s.Get("/"+c.script), "automatic")
		})
	}
}
