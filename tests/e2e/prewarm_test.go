package e2e

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// readies waits until n servers have become ready, and returns their scripts.
func readies(s *site.Site, n int) []string {
	s.T.Helper()
	var scripts []string
	s.Await("the servers", func() error {
		scripts = nil
		for _, entry := range s.Entries("script is ready") {
			scripts = append(scripts, strings.TrimPrefix(entry["script"].(string), s.Folder+"/"))
		}
		if len(scripts) < n {
			return errors.New("only " + strings.Join(scripts, ", "))
		}
		return nil
	})
	slices.Sort(scripts)
	return scripts
}

// cgiPerl is a script that knows nothing of the library.
const cgiPerl = "#!/usr/bin/perl\nuse strict; use POSIX ();\nprint \"Content-Type: text/plain\\n\\n\", getppid;\n"

func TestPrewarmedScriptsServeTheFirstRequest(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `prefork_cgi {
		root @SITE@
		env OF_SETUP {env.PASSED}
		env OF_REQUEST {host}
		parked 1 2
		prewarm /app.pl tools/*.p? wiki/
	}`, map[string]string{
		"app.pl":         cgiPerl,
		"other.pl":       cgiPerl,
		"tools/one.pl":   cgiPerl,
		"tools/two.py":   "#!/usr/bin/python3\nimport os\nprint('Content-Type: text/plain\\n\\n%d' % os.getppid(), end='')\n",
		"tools/data.px":  "no script",
		"wiki/index.cgi": cgiPerl,
	})
	want := []string{"app.pl", "tools/one.pl", "tools/two.py", "wiki/index.cgi"}
	if got := readies(s, len(want)); !slices.Equal(got, want) {
		t.Errorf("ready before the first request: %q", got)
	}
	// The first request is served by what is there, and so is one after a reload.
	for range 2 {
		for _, script := range want {
			if r := s.Get("/" + script); r.Body != strconv.Itoa(s.ServerPID(script)) {
				t.Errorf("%s: served by %q, not by %d", script, r.Body, s.ServerPID(script))
			}
		}
		site.Must(t, s.Reload("--force"))
	}
	if got := readies(s, 0); len(got) != len(want) {
		t.Errorf("started: %q", got)
	}
}

func TestPrewarmDelaysNothingAndItsFailureIsALogLine(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `prefork_cgi {
		root @SITE@
		prewarm
		prewarm none.pl gone/*.pl
	}`, map[string]string{
		// It is set up when the test says so: Caddy serves long before.
		"slow.pl":   "#!/usr/bin/perl\nBEGIN { select undef, undef, undef, 0.01 until -e 'go' }\nprint \"Content-Type: text/plain\\n\\nslow\";\n",
		"broken.pl": strings.Replace(site.Perl("print 'mended';"), "prefork_init", "die \"out of order\\n\" unless -e 'mended'; prefork_init", 1),
		"plain.cgi": site.Shell("printf plain"),
	})
	s.Want(s.Get("/plain.cgi"), 200, "plain")
	s.AwaitEntry("script cannot be started", func(e map[string]any) bool { return e["script"] == s.Path("broken.pl") })
	for _, path := range []string{"none.pl", "gone/*.pl"} {
		s.AwaitEntry("script cannot be prewarmed", func(e map[string]any) bool { return e["prewarm"] == path })
	}
	// No back-off is left behind by what nobody has asked for.
	site.Must(t, os.WriteFile(s.Path("mended"), nil, 0o600))
	s.Want(s.Get("/broken.pl"), 200, "mended")
	if slices.Contains(readies(s, 2), "slow.pl") {
		t.Error("slow.pl is ready though it cannot be")
	}
	site.Must(t, os.WriteFile(s.Path("go"), nil, 0o600))
	s.Want(s.Get("/slow.pl"), 200, "slow")
	if n := len(readies(s, 3)); n != 3 {
		t.Errorf("%d setups, not 3", n)
	}
}

func TestOneScriptIsPrewarmed(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi /app* {\n script @SITE@/app.pl\n prewarm\n}", map[string]string{"app.pl": cgiPerl})
	readies(s, 1)
	s.Want(s.Get("/app/x"), 200, strconv.Itoa(s.ServerPID("app.pl")))
}
