package caddymod

import (
	"flag"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/prefork-cgi/prefork-cgi/cgi"
)

func TestSecretsAreMasked(t *testing.T) {
	for word, want := range map[string]string{
		"DB_PASSWORD=x": "DB_PASSWORD=***", "HTTP_COOKIE=a=1; b=2": "HTTP_COOKIE=***", "HTTP_AUTHORIZATION=Basic eA==": "HTTP_AUTHORIZATION=***",
		"api_key=k": "api_key=***", "GITHUB_TOKEN=t": "GITHUB_TOKEN=***", "--secret=s": "--secret=***", "AWS_SECRET_ACCESS_KEY=s": "AWS_SECRET_ACCESS_KEY=***",
		"DATABASE_URL=postgres://me:p%40ss@db/x": "DATABASE_URL=postgres://***@db/x", "https://me:pw@host/": "https://***@host/",
		"PATH=/bin": "PATH=/bin", "HTTP_HOST=a:80": "HTTP_HOST=a:80", "PASSWORD=": "PASSWORD=", "perl": "perl", "AUTH_TYPE=Basic": "AUTH_TYPE=Basic",
	} {
		if got := mask(word); got != want {
			t.Errorf("%s becomes %s, want %s", word, got, want)
		}
	}
}

// A mode is a file's.
func mode(t *testing.T, m fs.FileMode) fs.FileInfo {
	t.Helper()
	info, err := fs.Stat(fstest.MapFS{"a": {Mode: m}}, "a")
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestTheRemedyIsForTheClassThatCaddyIsIn(t *testing.T) {
	caddy, root := caller{1000, []int{1000, 33}}, caller{0, []int{0}}
	enter, read, execute := []cgi.Right{cgi.Enter}, []cgi.Right{cgi.Read}, []cgi.Right{cgi.Execute}
	both := []cgi.Right{cgi.Read, cgi.Execute}
	for _, c := range []struct {
		who      caller
		uid, gid int
		mode     fs.FileMode
		needs    []cgi.Right
		want     string
	}{
		{caddy, 1000, 1000, fs.ModeDir | 0o077, enter, "chmod u+x /a"},
		{caddy, 0, 33, fs.ModeDir | 0o707, enter, "chmod g+x /a"},
		{caddy, 0, 0, fs.ModeDir | 0o770, enter, "chmod o+x /a"},
		{caddy, 0, 0, 0o771, read, "chmod o+r /a"},
		{caddy, 0, 0, 0o770, execute, "chmod o+x /a"},
		{caddy, 1000, 0, 0o077, both, "chmod u+rx /a, or name a program for it by interpreter"},
		{root, 1000, 0, 0o644, both, "chmod +x /a, or name a program for it by interpreter"},
		{caddy, 0, 0, 0o755, execute, "the mode allows it: look for an ACL, a security module, or the option noexec of its mount"},
	} {
		if got := c.who.remedy(cgi.Step{Path: "/a", UID: c.uid, GID: c.gid, Info: mode(t, c.mode), Needs: c.needs, Lacks: c.needs}); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// What scripts and clients have made can do nothing to who looks at it.
func TestPageAndTextAreHarmless(t *testing.T) {
	evil := "\"><script>alert(1)</script>\x1b[2J"
	found := &inspection{Asked: evil, User: "caddy", Sites: []site{{URL: evil, Server: "srv0", NotRun: []string{evil}, Error: evil, Handlers: []visit{{
		Path: evil, Answer: evil, Script: &scriptReport{evil, evil, evil, evil},
		Start:       &startReport{Command: []string{evil}, Dir: evil, Mode: "cold", Why: evil, Note: evil, Error: evil},
		Permissions: []permission{{Path: evil, Link: evil, Wrong: evil, Fix: evil}},
		Pool:        &poolReport{Pool: "p", Inputs: []identPart{{"env", []string{evil}}}, Now: &poolStatus{Why: evil, Note: evil, Failure: evil}},
		Environment: []variable{{evil, evil, true}}, Limits: []setting{{"a", "b"}},
	}}}}}
	page := httptest.NewRecorder()
	if err := serveAs(page, "text/html", inspectPage, found); err != nil {
		t.Fatal(err)
	}
	if text := page.Body.String(); strings.Contains(text, "<script") || !strings.Contains(text, "&lt;script") {
		t.Errorf("the page is %s", text)
	}
	if policy := page.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("the page's policy is %q", policy)
	}
	note := httptest.NewRecorder()
	if err := serveAs(note, "text/plain", inspectNote, found); err != nil {
		t.Fatal(err)
	}
	if text := note.Body.String(); strings.Contains(text, "\x1b") || !strings.Contains(text, `\x1b[2J`) {
		t.Errorf("the text is %q", text)
	}
}

var update = flag.Bool("update", false, "write the expected results anew")

func TestPageAndTextSayAllThatIsFound(t *testing.T) {
	found := &inspection{Asked: "/app.pl/x", User: "caddy", Groups: []string{"caddy", "www-data"}, Sites: []site{
		{Server: "srv0", Listen: []string{":443"}, URL: "https://example.org/app.pl/x", NotRun: []string{"http.handlers.authentication"}, Handlers: []visit{
			{Path: "/app.pl/x", Answer: "the next handler's: /srv/app.pl does not exist"},
			{
				Path: "/app.pl/x", Answer: "the script's", Script: &scriptReport{"/srv/www/app.pl", "/app.pl", "/x", "/srv/www"},
				Start: &startReport{[]string{"/usr/bin/perl", "/srv/www/app.pl", "two words", ""}, "/srv/www", "automatic", "a why", "a note", "an error"},
				Pool: &poolReport{"0123abcd", []identPart{{"script", []string{"/srv/www/app.pl"}}, {"args", []string{"two words", ""}}}, &poolStatus{
					Mode: "cold", Why: "another why", Note: "another note", Failure: "a failure", Running: 1, Parked: 2, Waiting: 3,
				}},
				Permissions: []permission{
					{For: "script", Path: "/srv", Mode: "drwxr-x---", Owner: "root", Group: "root", Needs: []cgi.Right{cgi.Enter}, Wrong: "caddy may not enter it", Fix: "chmod o+x /srv"},
					{For: "interpreter", Path: "/usr/bin/perl", Mode: "-rwxr-xr-x", Owner: "root", Group: "root", Needs: []cgi.Right{cgi.Execute}, OK: true},
					{For: "dir", Path: "/link", Link: "srv", Mode: "Lrwxrwxrwx", Owner: "root", Group: "root", OK: true},
				},
				Environment: []variable{{"PATH", "/bin", true}, {"QUERY_STRING", "a=b", false}}, Limits: []setting{{"max_concurrent", "4"}},
			},
		}},
		{Server: "srv1", Listen: []string{":80", ":8080"}, URL: "http://example.net/app.pl/x", Error: "a matcher's"},
	}}
	for file, write := range map[string]func(w http.ResponseWriter) error{
		"testdata/inspect.txt":  func(w http.ResponseWriter) error { return serveAs(w, "text/plain", inspectNote, found) },
		"testdata/inspect.html": func(w http.ResponseWriter) error { return serveAs(w, "text/html", inspectPage, found) },
	} {
		w := httptest.NewRecorder()
		if err := write(w); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(file, w.Body.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || w.Body.String() != string(want) {
			t.Errorf("%s: %v; got\n%s", file, err, w.Body)
		}
	}
}

func TestLimitsInForceHaveDefaults(t *testing.T) {
	h := &Handler{Limits: Limits{RunTimeout: -1, MaxConcurrent: 2, QueueSize: -1}.or(builtin)}
	got := map[string]string{}
	for _, s := range h.settingsInForce() {
		got[s.Name] = s.Value
	}
	for name, want := range map[string]string{
		"max_concurrent": "2", "parked": "0 2", "max_requests": "1 1h0m0s 64 MiB", "queue": "0 10s", "streams": "2 10s", "overload": "503",
		"start_timeout": "30s", "first_byte_timeout": "1m0s", "run_timeout": "off", "idle_timeout": "10m0s", "stop_signal": "TERM",
		"grace_period": "5s", "reload": "strict", "spool_limit": "1.0 GiB", "body_timeout": "1m0s",
		"request_body": "spool", "query_args": "off", "response_spool": "off",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for name := range strings.SplitSeq(limitNames, ", ") {
		if _, found := got[name]; !found && name != "timeout" { // which is the next two
			t.Errorf("%s is not told", name)
		}
	}
}
