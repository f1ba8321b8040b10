package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// edits is how often a test changes a source and asks at once. Setups are no more than
// four a second then.
func edits(n int) int {
	if testing.Short() {
		return n / 20
	}
	return n
}

func TestAppendIsLiveAtTheNextHit(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{"app.pl": site.Perl("print 0;")})
	f, err := os.OpenFile(s.Path("app.pl"), os.O_APPEND|os.O_WRONLY, 0)
	site.Must(t, err)
	defer f.Close()
	want := "0"
	for i := 1; i <= edits(60); i++ {
		// The output names all edits since the last multiple of 10, so that the
		// script stays short.
		line := fmt.Sprintf("print ',%d';\n", i)
		if want += fmt.Sprintf(",%d", i); i%10 == 0 {
			line = fmt.Sprintf("print '/%d';\n", i)
			want = strings.Replace(want, fmt.Sprintf(",%d", i), fmt.Sprintf("/%d", i), 1)
		}
		_, err := f.WriteString(line)
		site.Must(t, err)
		if r := s.Get("/app.pl"); r.Body != want {
			t.Fatalf("edit %d: got %d %q, want %q", i, r.Status, r.Body, want)
		}
	}
}

func TestEveryKindOfEditIsLiveAtTheNextHit(t *testing.T) {
	text := func(n int) string { return site.Perl(fmt.Sprintf("print '%d';", n)) }
	edit := map[string]func(s *site.Site, n int){
		"rename over": func(s *site.Site, n int) {
			s.Write("new", text(n))
			site.Must(t, os.Rename(s.Path("new"), s.Path("current/app.pl")))
		},
		"rename over, older time": func(s *site.Site, n int) {
			s.Write("new", text(n))
			then := time.Now().Add(-time.Hour * time.Duration(n))
			site.Must(t, os.Chtimes(s.Path("new"), then, then))
			site.Must(t, os.Rename(s.Path("new"), s.Path("current/app.pl")))
		},
		"same size, in place": func(s *site.Site, n int) {
			site.Must(t, os.WriteFile(s.Path("current/app.pl"), []byte(text(n)), 0o755))
		},
		"symlink switch": func(s *site.Site, n int) {
			s.Write(fmt.Sprintf("v%d/app.pl", n), text(n))
			site.Must(t, os.Symlink(fmt.Sprintf("v%d", n), s.Path("next")))
			site.Must(t, os.Rename(s.Path("next"), s.Path("current")))
		},
		"deletion and return": func(s *site.Site, n int) {
			site.Must(t, os.Remove(s.Path("current/app.pl")))
			if r := s.Get("/current/app.pl"); r.Status != 404 {
				t.Errorf("deleted: %d %q", r.Status, r.Body)
			}
			s.Write("current/app.pl", text(n))
		},
	}
	for name, change := range edit {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site.Serve(t, "prefork_cgi\nfile_server", map[string]string{"v100/app.pl": text(100)})
			site.Must(t, os.Symlink("v100", s.Path("current")))
			s.Want(s.Get("/current/app.pl"), 200, "100")
			for n := 101; n <= 100+edits(40); n++ {
				change(s, n)
				if r := s.Get("/current/app.pl"); r.Body != fmt.Sprint(n) {
					t.Fatalf("edit %d: got %d %q", n, r.Status, r.Body)
				}
			}
		})
	}
}

func TestWatchedModuleIsLiveAtTheNextHit(t *testing.T) {
	for _, watch := range []string{"lib/My.pm", "lib", "@SITE@/lib"} {
		t.Run(strings.ReplaceAll(watch, "/", "_"), func(t *testing.T) {
			t.Parallel()
			s := site.Serve(t, "prefork_cgi {\n watch "+watch+"\n}", map[string]string{
				"-lib/My.pm": "package My; sub n { 100 } 1",
				"app.pl":     strings.Replace(site.Perl("print My::n();"), "use strict", "use FindBin; use lib qq{$FindBin::Bin/lib}; use My; use strict", 1),
			})
			s.Want(s.Get("/app.pl"), 200, "100")
			for n := 101; n <= 100+edits(20); n++ {
				s.Write("-lib/My.pm", fmt.Sprintf("package My; sub n { %d } 1", n))
				if r := s.Get("/app.pl"); r.Body != fmt.Sprint(n) {
					t.Fatalf("edit %d: got %d %q", n, r.Status, r.Body)
				}
			}
		})
	}
}

func TestBrokenScriptIsToldTriedSeldomAndMended(t *testing.T) {
	t.Parallel()
	starts := filepath.Join(t.TempDir(), "starts")
	count := "BEGIN { open my $f, '>>', '" + starts + "'; print $f 'x' }\n"
	good := strings.Replace(site.Perl("print 'good';"), "use strict", count+"use strict", 1)
	s := site.Serve(t, "prefork_cgi", map[string]string{"app.pl": good})
	s.Want(s.Get("/app.pl"), 200, "good")

	s.Write("app.pl", strings.Replace(good, "print 'good'", "print 'good", 1))
	site.Must(t, os.Remove(starts))
	s.Want(s.Get("/app.pl"), 502, "")
	entry := s.AwaitEntry("script cannot be started", func(map[string]any) bool { return true })
	if text := fmt.Sprint(entry["error"]); !strings.Contains(text, "app.pl line 7") {
		t.Errorf("the log says %q", text)
	}
	for range 200 {
		r := s.Get("/app.pl")
		if r.Status != 502 && r.Status != 503 {
			t.Errorf("while broken: %d %q", r.Status, r.Body)
		}
		if r.Status == 503 && r.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if tried, _ := os.ReadFile(starts); len(tried) == 0 || len(tried) > 5 {
		t.Errorf("%d starts for 201 requests", len(tried))
	}
	s.Write("app.pl", good)
	s.Want(s.Get("/app.pl"), 200, "good")
}

func TestStaleServesTheOldUntilTheNewIsReady(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n reload stale\n}", map[string]string{"app.pl": site.Perl("print 'one';")})
	s.Want(s.Get("/app.pl"), 200, "one")
	old := s.ServerPID("app.pl")
	s.Write("app.pl", "#!/usr/bin/perl\nprefork_initialisation_complete( broken\n")
	s.AwaitEntry("script cannot be started", func(e map[string]any) bool { return e["old_server_kept"] == true })
	s.Want(s.Get("/app.pl"), 200, "one")
	s.Write("app.pl", site.Perl("print 'two';"))
	s.Await("the new version", func() error {
		if r := s.Get("/app.pl"); r.Body != "two" {
			return fmt.Errorf("%d %q", r.Status, r.Body)
		}
		return nil
	})
	s.AwaitGone(old)
}

// A script that would be cold if it failed at first is kept warm too.
func TestStaleKeepsWhatIsWarmWithoutAnEdit(t *testing.T) {
	t.Parallel()
	text := func(n int) string {
		return fmt.Sprintf("#!/usr/bin/perl\nuse strict; use POSIX ();\nprint qq{Content-Type: text/plain\\n\\n}, %d;\n", n)
	}
	s := site.Serve(t, withMode+"prefork_cgi {\n reload stale\n}", map[string]string{"app.pl": text(1)})
	s.Want(s.Get("/app.pl"), 200, "1")
	s.Write("app.pl", strings.Replace(text(2), "print", "print (", 1))
	s.AwaitEntry("script cannot be started", func(e map[string]any) bool {
		return e["old_server_kept"] == true && strings.Contains(fmt.Sprint(e["error"]), "syntax error")
	})
	for range 20 {
		r := s.Get("/app.pl")
		s.Want(r, 200, "1")
		wantMode(t, r, "automatic")
	}
	if pool := status(t, s, "app.pl"); !strings.Contains(pool.Failure, "syntax error") {
		t.Errorf("the status says %q", pool.Failure)
	}
	if n := len(s.Entries("script cannot be started")); n != 1 {
		t.Errorf("%d failures in the log", n)
	}
	s.Write("app.pl", text(3))
	s.AwaitEntry("script is ready", func(e map[string]any) bool { return s.Get("/app.pl").Body == "3" })
	if pool := status(t, s, "app.pl"); pool.Failure != "" {
		t.Errorf("the status still says %q", pool.Failure)
	}
}

// inFlight are programs that say their version, may wait, and ask a module for it.
var inFlight = map[string]map[string]string{
	"pl": {
		"app.pl": "#!/usr/bin/perl\nuse FindBin; use lib $FindBin::Bin; use appmod;\n" +
			"$| = 1; print qq{Content-Type: text/plain\\n\\n@N@};\n" +
			"if ($ENV{QUERY_STRING}) { open my $gate, '<', 'gate'; <$gate> }\nprint ',', appmod::n();\n",
		"appmod.pm": "package appmod; sub n { '@N@' } 1\n",
	},
	"py": {
		"app.py": "#!/usr/bin/python3\nimport os, appmod\nprint('Content-Type: text/plain\\n\\n@N@', end='', flush=True)\n" +
			"if os.environ['QUERY_STRING']:\n    open('gate').read()\nprint(',' + appmod.n(), end='')\n",
		"appmod.py": "def n(): return '@N@'\n",
	},
	"rb": {
		"app.rb": "#!/usr/bin/ruby\nrequire_relative 'appmod'\n$stdout.sync = true\nprint \"Content-Type: text/plain\\n\\n@N@\"\n" +
			"File.read('gate') unless ENV['QUERY_STRING'].empty?\nprint ',' + version\n",
		"appmod.rb": "def version = '@N@'\n",
	},
}

// A request that runs finishes on the code that it was started with, module and all.
func TestRequestsInFlightFinishOnTheirCode(t *testing.T) {
	for _, reload := range []string{"strict", "stale"} {
		for language, program := range inFlight {
			t.Run(reload+" "+language, func(t *testing.T) {
				t.Parallel()
				name := "app." + language
				s := site.Prepare(t, "prefork_cgi {\n reload "+reload+"\n}", nil)
				write := func(n string) {
					for file, text := range program {
						s.Write(strings.Replace(file, "app", "-app", 1), strings.ReplaceAll(text, "@N@", n))
					}
					site.Must(t, os.Chmod(s.Path(name), 0o755))
				}
				write("one")
				s.Start()
				gate := s.Path("gate")
				site.Must(t, syscall.Mkfifo(gate, 0o600))
				running, err := http.Get("http://" + s.Addr + "/" + name + "?wait")
				site.Must(t, err)
				defer running.Body.Close()
				body := make([]byte, 7)
				if _, err := io.ReadFull(running.Body, body[:3]); err != nil {
					t.Fatal(err)
				}
				write("two")
				s.Await("the new version", func() error {
					if r := s.Get("/" + name); r.Body != "two,two" {
						return fmt.Errorf("%d %q", r.Status, r.Body)
					}
					return nil
				})
				site.Must(t, os.WriteFile(gate, []byte("go"), 0))
				if _, err := io.ReadFull(running.Body, body[3:]); err != nil || string(body) != "one,one" {
					t.Errorf("%q, %v", body, err)
				}
			})
		}
	}
}
