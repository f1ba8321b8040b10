package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// A module three imports deep is edited and asked for, again and again: no answer
// is ever older than the edit.
func TestDeepModuleIsNeverStale(t *testing.T) {
	const edits = 200
	for _, c := range []struct{ script, file, text, top, a, b string }{
		{
			"app.pl", "-Deepest.pm", "package Deepest; sub number { %d } 1;\n",
			"#!/usr/bin/perl\nuse FindBin; use lib $FindBin::Bin; use Top;\nprint \"Content-Type: text/plain\\n\\n\", Deepest::number();\n",
			"-Top.pm\x00package Top; use Middle; 1;\n", "-Middle.pm\x00package Middle; use Deepest; 1;\n",
		},
		{
			"app.py", "-deepest.py", "number = %d\n",
			"#!/usr/bin/python3\nimport top, deepest\nprint('Content-Type: text/plain\\n')\nprint(deepest.number, end='')\n",
			"-top.py\x00import middle\n", "-middle.py\x00import deepest\n",
		},
		{
			"app.rb", "-deepest.rb", "NUMBER = %d\n",
			"#!/usr/bin/ruby\nrequire_relative 'top'\nprint \"Content-Type: text/plain\\n\\n\", NUMBER\n",
			"-top.rb\x00require_relative 'middle'\n", "-middle.rb\x00require_relative 'deepest'\n",
		},
	} {
		t.Run(c.script, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{c.script: c.top, c.file: fmt.Sprintf(c.text, 0)}
			for _, module := range []string{c.a, c.b} {
				name, text, _ := strings.Cut(module, "\x00")
				files[name] = text
			}
			s := site.Serve(t, withMode+"prefork_cgi", files)
			s.Want(s.Get("/"+c.script), 200, "0")
			stale := 0
			for i := 1; i <= edits; i++ {
				s.Write(c.file, fmt.Sprintf(c.text, i))
				r := s.Get("/" + c.script)
				if r.Status != 200 || r.Body != fmt.Sprint(i) {
					stale++
					t.Logf("edit %d: %d %q", i, r.Status, r.Body)
				}
			}
			if stale > 0 {
				t.Errorf("%d of %d edits were not seen", stale, edits)
			}
			wantMode(t, s.Get("/"+c.script), "automatic")
		})
	}
}
