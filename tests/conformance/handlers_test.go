package conformance

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// Third parties' words on what a CGI server is: the CGI sides of Plack, WSGI, Rack
// and Go's standard library, each with its own validator where it has one, as
// testdata/handlers has them.

// A handler is a script that a third party's library makes a CGI program.
type handler struct {
	name  string   // of the script
	probe []string // command that fails where the library is missing
	mode  string   // how it is served below /warm
	path  bool     // it demands PATH_INFO, which RFC 3875 lets be absent: 4.1.5
}

var (
	plack = handler{"plack.cgi", []string{"/usr/bin/perl", "-MPlack::Test::Suite", "-e1"}, "automatic", false}
	wsgi  = handler{"wsgi.cgi", []string{"/usr/bin/python3", "-c", "import wsgiref.validate"}, "automatic", true}
	rack  = handler{"rack.cgi", []string{"/usr/bin/ruby", "-rrack/handler/cgi", "-rrack/lint", "-e1"}, "automatic", false}
	goCGI = handler{"go.cgi", []string{"go", "version"}, "cold", false}
)

// demand skips the test where a program or library is missing.
func demand(t *testing.T, probe ...string) {
	t.Helper()
	if out, err := exec.Command(probe[0], probe[1:]...).CombinedOutput(); err != nil {
		t.Skipf("%q fails here: %v: %s", probe, err, out)
	}
}

// text returns the script, or the program that is built for it.
func (h handler) text(t *testing.T) string {
	t.Helper()
	demand(t, h.probe...)
	path := filepath.Join("testdata", "handlers", h.name)
	if h.name == goCGI.name {
		path = filepath.Join(t.TempDir(), h.name)
		build := exec.Command("go", "build", "-o", path, "./testdata/handlers/gocgi")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("cannot build: %v\n%s", err, out)
		}
	}
	text, err := os.ReadFile(path)
	check(t, err)
	return string(text)
}

// serve serves the script below /warm and below /cold. What ends without an answer
// has the status that Apache gives, which the third parties' tests expect.
func (h handler) serve(t *testing.T, text string) *site.Site {
	t.Helper()
	return site.Serve(t, "route {\n prefork_cgi /cold/* {\n  warm off\n }\n prefork_cgi\n}\nhandle_errors 502 {\n respond 500\n}",
		map[string]string{"warm/" + h.name: text, "cold/" + h.name: text})
}

// serveByApache serves the script by mod_cgid.
func (h handler) serveByApache(t *testing.T, text string) *site.Site {
	t.Helper()
	return site.ServeByApache(t, func(folder string) {
		path := filepath.Join(folder, h.name)
		check(t, os.WriteFile(path, []byte(text), 0o755))
		check(t, os.Chmod(path, 0o755))
	})
}

// checkMode wants the script to have been warm below /warm, if it can be.
func (h handler) checkMode(t *testing.T, s *site.Site) {
	t.Helper()
	resp, err := http.Get("http://" + s.Admin + "/prefork_cgi/pools")
	check(t, err)
	defer resp.Body.Close()
	var pools []struct{ Script, Mode, Why string }
	check(t, json.NewDecoder(resp.Body).Decode(&pools))
	want := map[string]string{s.Path("warm/" + h.name): h.mode, s.Path("cold/" + h.name): "cold"}
	for _, p := range pools {
		if p.Mode != want[p.Script] {
			t.Errorf("%s is %s, not %s: %s", p.Script, p.Mode, want[p.Script], p.Why)
		}
		delete(want, p.Script)
	}
	if len(want) > 0 {
		t.Errorf("there are no pools of %v", want)
	}
}

// plackFailsUnderApache are the tests of Plack::Test::Suite that mod_cgid does not pass:
// it withholds Authorization, and merges the slashes of PATH_INFO.
var plackFailsUnderApache = []string{"handle Authorization header", "repeated slashes"}

// All of the suite passes; that is what passes under Apache, and more. The first of its
// requests below /warm is the one that has the script set up.
func TestPlackTestSuitePasses(t *testing.T) {
	if testing.Short() {
		t.Skip("makes some 80 cold requests")
	}
	demand(t, site.ApacheProgram, "-v")
	text := plack.text(t)
	here, there := plack.serve(t, text), plack.serveByApache(t, text)
	all, failed := plackSuite(t, there, "/"+plack.name)
	if !slices.Equal(failed, plackFailsUnderApache) {
		t.Errorf("under Apache %q fail", failed)
	}
	for _, folder := range []string{"/warm", "/cold"} {
		asked, failed := plackSuite(t, here, folder+"/"+plack.name)
		if len(failed) > 0 || !slices.Equal(asked, all) {
			t.Errorf("%s: %q fail, of %q", folder, failed, asked)
		}
	}
	t.Logf("%d tests pass, %d of them under Apache", len(all), len(all)-len(plackFailsUnderApache))
	plack.checkMode(t, here)
}

// plackResult is a line of plack.pl: a test of the suite, and whether it has passed.
var plackResult = regexp.MustCompile(`(?m)^(not )?ok \d+ - (.*)$`)

// plackSuite has a site's script tested, and returns the names of all tests and of those
// that have failed.
func plackSuite(t *testing.T, s *site.Site, path string) (all, failed []string) {
	t.Helper()
	out, err := exec.Command("/usr/bin/perl", filepath.Join("testdata", "handlers", "plack.pl"), "http://"+s.Addr+path).CombinedOutput()
	for _, result := range plackResult.FindAllSubmatch(out, -1) {
		all = append(all, string(result[2]))
		if len(result[1]) > 0 {
			failed = append(failed, string(result[2]))
		}
	}
	// Its exit status is how many have failed.
	if len(all) == 0 || (err != nil) != (len(failed) > 0) {
		t.Fatalf("%s: %v\n%s", path, err, out)
	}
	t.Logf("%s: %d of %d fail: %q", path, len(failed), len(all), failed)
	return all, failed
}

// A question is one request to an application that says what it has been told.
type question struct{ method, path, body string }

var questions = []question{
	{"GET", "", ""},
	{"GET", "?", ""},
	{"GET", "/", ""},
	{"GET", "/a%20path/%C3%A4/../b.cgi?name=value&name=%26+&=", ""},
	{"GET", "?a+word", ""},
	{"HEAD", "/path", ""},
	{"POST", "/path", "name=value"},
	{"POST", "/", strings.Repeat("\x00\xff\r\n", 50_000)},
	{"PUT", "/", "\x00"},
	{"DELETE", "/x", ""},
	{"OPTIONS", "/x", ""},
}

func (q question) ask(s *site.Site, script string) site.Reply {
	return s.Do(q.method, script+q.path, strings.NewReader(q.body), func(r *http.Request) {
		if q.body != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		r.Header["X-Word"] = []string{"one", "two, three"}
		r.Header.Set("Cookie", "a=1; b=2")
	})
}

// What the validators dislike is a status 500, or an error instead of an answer.
func TestValidatorsHaveNothingToSay(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Apache three times")
	}
	for _, h := range []handler{wsgi, rack, goCGI} {
		t.Run(h.name, func(t *testing.T) {
			demand(t, site.ApacheProgram, "-v")
			text := h.text(t)
			here := h.serve(t, text)
			there := h.serveByApache(t, text)
			for _, q := range questions {
				if h.path && !strings.HasPrefix(q.path, "/") {
					continue
				}
				want := q.ask(there, "/"+h.name)
				for _, folder := range []string{"/warm", "/cold"} {
					q.compare(t, h, folder, q.ask(here, folder+"/"+h.name), want)
				}
			}
			h.checkMode(t, here)
		})
	}
}

// compare wants the answer that Apache gives, but for the folder.
func (q question) compare(t *testing.T, h handler, folder string, got, want site.Reply) {
	t.Helper()
	plain := strings.NewReplacer(folder+"/"+h.name, "/"+h.name)
	if got.Err != nil || got.Status != http.StatusNonAuthoritativeInfo || want.Status != got.Status {
		t.Errorf("%s %s%s: status %d, error %v; Apache's %d, %v; %.300s", q.method, folder, q.path, got.Status, got.Err, want.Status, want.Err, got.Body)
	}
	if text := plain.Replace(got.Body); text != want.Body || q.method != http.MethodHead && text == "" {
		t.Errorf("%s %s%s: body is\n%.1000s\nApache's is\n%.1000s", q.method, folder, q.path, text, want.Body)
	}
	for _, name := range []string{"Content-Type", "X-Two"} {
		if g, w := strings.Join(got.Header[name], ", "), strings.Join(want.Header[name], ", "); g != w {
			t.Errorf("%s %s%s: %s is %q, Apache's %q", q.method, folder, q.path, name, g, w)
		}
	}
}
