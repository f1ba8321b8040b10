package e2e

import (
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// Caddy ignores SIGPIPE, and who inherits that goes on writing where nobody reads: a
// shell whose echo fails tries again, for ever.
func TestScriptThatCountsOnSIGPIPEEnds(t *testing.T) {
	t.Parallel()
	const endless = "while :; do echo x; done 2>/dev/null | head -n 1"
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"cold.cgi":     site.Shell(endless),
		"explicit.pl":  site.Perl("print `" + endless + "`;"),
		"automatic.pl": "#!/usr/bin/perl\nprint \"Content-Type: text/plain\\n\\n\", `" + endless + "`;\n",
	})
	for _, path := range []string{"/cold.cgi", "/explicit.pl", "/automatic.pl"} {
		s.Want(s.Get(path), 200, "x\n")
	}
}
