package e2e

import (
	"bufio"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// TestExampleSite does what `make run` does, with a copy, looks at every page, and
// then edits, breaks and mends them.
func TestExampleSite(t *testing.T) {
	examples := filepath.Join(t.TempDir(), "examples")
	site.Must(t, os.CopyFS(examples, os.DirFS("../../examples")))
	leak.Check(t, examples+"/site")
	cmd := exec.Command(examples+"/run.sh", os.Args[0])
	cmd.Env = append(os.Environ(), "PREFORK_TEST_CADDY=1", "STATE="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	site.Must(t, err)
	site.Must(t, cmd.Start())
	defer func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) // as a terminal's Ctrl-C does, to the whole group
		if errWait := cmd.Wait(); errWait != nil {
			t.Errorf("the script ended with %v", errWait)
		}
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	site.Must(t, err)
	base, err := url.Parse(regexp.MustCompile(`http://\S+/`).FindString(line))
	site.Must(t, err)
	s := &site.Site{T: t, Addr: base.Host}

	index := s.Get("/")
	s.Want(index, 200, "")
	rows := regexp.MustCompile(`(?s)<tr><td><a href="([^"]+)">.*?<td class="(warm|cold)">`).FindAllStringSubmatch(index.Body, -1)
	if len(rows) < 4 {
		t.Errorf("the index has %d programs", len(rows))
	}
	for _, row := range rows {
		r := s.Get("/" + row[1])
		s.Want(r, 200, "")
		mode := map[bool]string{true: "cold", false: "warm"}[r.Header.Get("Prefork-Mode") == "cold"]
		if mode != row[2] {
			t.Errorf("%s is said to be %s and is %q", row[1], row[2], r.Header.Get("Prefork-Mode"))
		}
	}
	for path, text := range map[string]string{
		"/mason.pl/":                        "What a fork costs",
		"/mason.pl/warm":                    "Warm, and still fresh",
		"/mason.pl/search.html?q=fork":      "1 of 3 notes",
		"/gitweb?p=example.git;a=summary":   "The example site",
		"/gitweb?p=example.git;a=tree":      "Caddyfile",
		"/gitweb-static/gitweb.css":         "body",
		"/form.pl?name=%3Cb%3E&message=a+b": "<b>&lt;b&gt;</b>. Your message has 2 words",
		"/hello.pl?name=%3Cb%3E":            "Hello, <b>&lt;b&gt;</b>.",
		"/hello.py?name=%3Cb%3E":            "Hello, <b>&lt;b&gt;</b>.",
		"/hello.rb?name=%3Cb%3E":            "Hello, <b>&lt;b&gt;</b>.",
		"/machine.cgi?x=%3C":                "QUERY_STRING=x=%3C",
	} {
		if r := s.Get(path); r.Status != 200 || !strings.Contains(r.Body, text) {
			t.Errorf("%s: %d, no %q in %q", path, r.Status, text, r.Body)
		}
	}
	// The third request at the latest, for there may be two processes.
	for _, path := range []string{"/hello.pl", "/hello.py", "/hello.rb"} {
		if r := s.Get(path); !regexp.MustCompile(`request [2-9] of process`).MatchString(r.Body) {
			t.Errorf("%s has no process that answers twice: %q", path, r.Body)
		}
	}
	s.Want(s.Get("/mason.pl/no-such-note"), 404, "no such note")
	for _, c := range []struct{ file, page, word string }{
		{"site/form.pl", "/form.pl?name=a", "forked from"},
		{"mason/autohandler", "/mason.pl/", "</html>"},
	} {
		editBreakMend(t, s, filepath.Join(examples, c.file), c.page, c.word)
	}
}

// editBreakMend does that to a file, and looks at a page after each.
func editBreakMend(t *testing.T, s *site.Site, file, page, word string) {
	t.Helper()
	good, err := os.ReadFile(file)
	site.Must(t, err)
	if !strings.Contains(string(good), word) {
		t.Fatalf("no %q in %s", word, file)
	}
	for _, c := range []struct {
		text, want string
		status     int
	}{
		{strings.Replace(string(good), word, "edited"+word, 1), "edited" + word, 200},
		{string(good) + "\n% my $x = ;\n<% $undeclared %>\n", filepath.Base(file), 502},
		{string(good), word, 200},
	} {
		site.Must(t, os.WriteFile(file, []byte(c.text), 0o755))
		r := s.Get(page)
		if r.Status != c.status || !strings.Contains(r.Body, c.want) || c.text == string(good) && strings.Contains(r.Body, "edited") {
			t.Errorf("%s: %d %q, want %d with %q", page, r.Status, r.Body, c.status, c.want)
		}
	}
}
