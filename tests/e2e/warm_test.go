package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// inEachLanguage has scripts that nobody has written for us.
var inEachLanguage = map[string]string{
	"app.pl": "#!/usr/bin/perl\nuse strict; use File::Spec;\nprint \"Content-Type: text/plain\\n\\n\", File::Spec->curdir, $ENV{QUERY_STRING} // '';\n",
	"app.py": "#!/usr/bin/python3\nimport json, os\nprint('Content-Type: text/plain\\n')\nprint('.' + os.environ['QUERY_STRING'], end='')\n",
	"app.rb": "#!/usr/bin/ruby\nrequire 'json'\nputs \"Content-Type: text/plain\\n\\n\"\nprint '.' + ENV['QUERY_STRING']\n",
}

// withMode makes the mode visible.
const withMode = "@all path *\nheader @all >Prefork-Mode {http.prefork_cgi.mode}\n"

func wantMode(t *testing.T, r site.Reply, mode string) {
	t.Helper()
	if got := r.Header.Get("Prefork-Mode"); got != mode {
		t.Errorf("mode is %q, not %s", got, mode)
	}
}

func TestScriptsAreWarmWithoutAnEdit(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, withMode+"prefork_cgi", inEachLanguage)
	for name := range inEachLanguage {
		for _, query := range []string{"", "a=b", "c"} {
			r := s.Get("/" + name + "?" + query)
			s.Want(r, 200, "."+query)
			wantMode(t, r, "automatic")
		}
	}
}

func TestWhichScriptsAreWarmIsChosenPerMatcher(t *testing.T) {
	t.Parallel()
	files := map[string]string{"explicit.pl": site.Perl("print 'ok'")}
	maps.Copy(files, inEachLanguage)
	s := site.Serve(t, withMode+`
		@python path *.py
		prefork_cgi @python {
			warm off
		}
		@ruby path *.rb
		prefork_cgi @ruby {
			warm explicit
		}
		prefork_cgi /explicit.pl {
			warm explicit
		}
		prefork_cgi`, files)
	for path, mode := range map[string]string{"/app.py": "cold", "/app.rb": "cold", "/explicit.pl": "explicit", "/app.pl": "automatic"} {
		r := s.Get(path)
		s.Want(r, 200, "")
		wantMode(t, r, mode)
	}
	for name, why := range map[string]string{
		"app.py":      "the configuration says so",
		"app.rb":      "warm explicit",
		"explicit.pl": "it calls prefork_initialisation_complete",
		"app.pl":      "its language has a library",
	} {
		if got := status(t, s, name); !strings.Contains(got.Why, why) {
			t.Errorf("%s: why is %q", name, got.Why)
		}
	}
}

// A poolStatus is what the admin endpoint says of a pool.
type poolStatus struct {
	Script, Mode, Why, Note, Library, Failure string
	PID, Running, Waiting                     int
	Loaded                                    []string
	Risks                                     []struct {
		Kind, Target string
		Descriptor   int
		OpenedAt     string `json:"opened_at"`
	}
}

// status returns the pool of a script.
func status(t *testing.T, s *site.Site, script string) poolStatus {
	t.Helper()
	resp, err := http.Get("http://" + s.Admin + "/prefork_cgi/pools")
	site.Must(t, err)
	defer resp.Body.Close()
	var all []poolStatus
	site.Must(t, json.NewDecoder(resp.Body).Decode(&all))
	for _, p := range all {
		if p.Script == s.Path(script) {
			return p
		}
	}
	t.Fatalf("there is no pool of %s in %+v", script, all)
	return poolStatus{}
}

// A script that cannot be warm answers all the same, and one log line says why.
func TestColdIsAlwaysRight(t *testing.T) {
	t.Parallel()
	head := `print "Content-Type: text/plain\n\n"; `
	cases := map[string]struct{ text, body, why string }{
		"syntax.pl":  {"#!/usr/bin/perl\n" + head + "print 'unfinished\n", "", "syntax.pl"},
		"dies.pl":    {"#!/usr/bin/perl\nBEGIN { die 'in setup' if !$ENV{REMOTE_ADDR} } " + head + "print 'ok'", "ok", "in setup"},
		"exits.pl":   {"#!/usr/bin/perl\nBEGIN { unless (-p STDIN || -f STDIN) { print STDERR \"no\\n\"; exit 0 } } " + head + "print 'ok'", "ok", "ended before its fork point"},
		"stdin.pl":   {"#!/usr/bin/perl\nour $in; BEGIN { $in = <STDIN> } " + head + "print $in", "body", "standard input"},
		"daemon.pl":  {"#!/usr/bin/perl\nBEGIN { system 'sleep 3 >/dev/null 2>&1 </dev/null &' } " + head + "print 'ok'", "ok", "a process that setup has started"},
		"query.pl":   {"#!/usr/bin/perl\nour $q; BEGIN { $q = $ENV{QUERY_STRING} } " + head + "print $q", "x=1", "QUERY_STRING"},
		"shell.cgi":  {"#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nok'", "ok", "no library for programs of dash"},
		"thread.py":  {"#!/usr/bin/python3\nimport beside\nprint('Content-Type: text/plain\\n')\nprint('ok', end='')\n", "ok", "1 thread"},
		"query.py":   {"#!/usr/bin/python3\nimport looks\nprint('Content-Type: text/plain\\n')\nprint(looks.q, end='')\n", "x=1", "QUERY_STRING"},
		"missing.py": {"#!/usr/bin/python3\nimport nowhere_to_be_found\n", "", "nowhere_to_be_found"},
		"syntax.rb":  {"#!/usr/bin/ruby\nputs 'a\n", "", "syntax.rb"},
		"missing.rb": {"#!/usr/bin/ruby\nrequire 'nowhere_to_be_found'\n", "", "nowhere_to_be_found"},
		"thread.rb":  {"#!/usr/bin/ruby\nrequire_relative 'beside'\nprint \"Content-Type: text/plain\\n\\nok\"\n", "ok", "1 thread"},
	}
	files := map[string]string{
		"-beside.py": "import threading, time\nthreading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n",
		"-looks.py":  "import os\nq = os.environ.get('QUERY_STRING', 'nothing')\n",
		"-beside.rb": "Thread.new { sleep }\n",
	}
	for name, c := range cases {
		files[name] = c.text
	}
	s := site.Serve(t, withMode+"prefork_cgi", files)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				r := s.Do("POST", "/"+name+"?x=1", strings.NewReader("body"))
				if c.body == "" {
					s.Want(r, 502, "")
					continue
				}
				s.Want(r, 200, c.body)
				wantMode(t, r, "cold")
			}
			lines := 0
			for _, e := range s.Entries("script is ready") {
				if e["script"] == s.Path(name) {
					lines++
					if text := fmt.Sprint(e["why"], e["note"]); !strings.Contains(text, c.why) {
						t.Errorf("the log says %s, not %s", text, c.why)
					}
				}
			}
			if lines != 1 {
				t.Errorf("%d log lines say how it is served", lines)
			}
		})
	}
}

// A mended script becomes warm.
func TestBrokenScriptBecomesWarmWhenItIsMended(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, withMode+"prefork_cgi", map[string]string{
		"app.pl":     "#!/usr/bin/perl\nuse FindBin; use lib $FindBin::Bin; use Part;\nprint \"Content-Type: text/plain\\n\\n\", Part::text();\n",
		"-Part.pm":   "package Part; sub text { 'broken' \n",
		"-Other.txt": "",
	})
	s.Want(s.Get("/app.pl"), 502, "")
	s.Write("-Part.pm", "package Part; sub text { 'mended' } 1;\n")
	r := s.Get("/app.pl")
	s.Want(r, 200, "mended")
	wantMode(t, r, "automatic")
}

func TestUsageOfEachRequest(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `log_append cpu {http.prefork_cgi.cpu_user_ms}
		log_append system {http.prefork_cgi.cpu_system_ms}
		log_append peak {http.prefork_cgi.peak_memory}
		log_append code {http.prefork_cgi.exit_status}
		prefork_cgi`, map[string]string{
		"work.pl": "#!/usr/bin/perl\nmy ($n, $u, $s) = 0; if ($ENV{QUERY_STRING}) { do { $n++; ($u, $s) = times } until $u + $s > 0.2 } my $x = 'x' x ($ENV{QUERY_STRING} ? 50_000_000 : 1);\n" +
			"print \"Content-Type: text/plain\\n\\n$n\"; exit($ENV{QUERY_STRING} ? 3 : 0);\n",
	})
	s.Get("/work.pl")
	s.Get("/work.pl?1")
	s.Get("/work.pl")
	var seen []map[string]any
	s.Await("the access log", func() error {
		seen = s.Entries("handled request")
		if len(seen) < 3 {
			return errors.New("is not complete")
		}
		return nil
	})
	for i, e := range seen[:3] {
		own, _ := e["prefork_cgi"].(map[string]any)
		busy := i == 1
		// How it is divided between the two is often no more than the kernel's guess, by its ticks.
		user, system := own["cpu_user"].(float64), own["cpu_system"].(float64)
		if (user+system > 0.1) != busy {
			t.Errorf("request %d has used %v s and %v s", i, user, system)
		}
		if peak := own["peak_memory"].(float64); (peak > 50_000_000) != busy || peak < 1_000_000 {
			t.Errorf("request %d has used %v bytes", i, peak)
		}
		if want := map[bool]string{true: "3", false: "0"}[busy]; own["exit_status"] != want || e["code"] != want {
			t.Errorf("request %d has ended with %v, %v", i, own["exit_status"], e["code"])
		}
		if e["cpu"] == "" || e["peak"] == "" || e["system"] == "" {
			t.Errorf("a placeholder is empty: %v", e)
		}
	}
}

func TestPreload(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `prefork_cgi {
			preload Text::Wrap No::Such::Module
		}`, map[string]string{
		"app.pl": "#!/usr/bin/perl\nprint \"Content-Type: text/plain\\n\\n\", defined &Text::Wrap::wrap ? 'loaded' : 'missing';\n",
	})
	s.Want(s.Get("/app.pl"), 200, "loaded")
	s.AwaitEntry("script library", func(e map[string]any) bool { return strings.Contains(fmt.Sprint(e["note"]), "No::Such::Module") })
}

// A background process of a script that has closed what it was given belongs to
// nobody any more: it lives on.
func TestBackgroundProcessOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"app.pl": `#!/usr/bin/perl
$| = 1; print "Content-Type: text/plain\n\n";
my $pid = fork // die;
if (!$pid) { close $_ for *STDIN, *STDOUT, *STDERR; sleep 1000; exit }
print $pid;
`,
	})
	pid, err := strconv.Atoi(s.Get("/app.pl").Body)
	site.Must(t, err)
	defer syscall.Kill(pid, syscall.SIGKILL)
	s.AwaitEntry("script has ended", func(e map[string]any) bool { return e["exit_status"] == "0" })
	s.Get("/app.pl?again")
	if !site.Alive(pid) {
		t.Error("it was ended with its request")
	}
	for _, process := range leak.Processes(s.Folder) { // those of both requests
		number, _, _ := strings.Cut(process, ": ")
		if other, _ := strconv.Atoi(number); other != s.ServerPID("app.pl") {
			syscall.Kill(other, syscall.SIGKILL)
		}
	}
}
