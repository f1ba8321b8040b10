package programs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// A program is one that a package brings, how it is set up, and what it is asked.
type program struct {
	name    string
	pkg     string            // the Debian package that brings it
	script  string            // a path; if it is relative, one that prepare makes in the site's folder
	config  string            // of prefork_cgi, beside the script; @SITE@ is the site's folder
	files   map[string]string // in the site's folder; @SITE@ again
	prepare func(testing.TB, *site.Site)
	example string // a file among the packages' documentation that it is, or shows

	// What differs from run to run, as regular expressions. Nothing else may.
	masks    []string
	requests []request // the first is the one that is measured
}

// A request and what makes its answer a right one: two error pages are equal, too.
type request struct {
	url    string // what follows the script's name; @SITE@ is the site's folder
	post   string // the body; without, it is a GET
	header map[string]string
	status int // 200 if it is 0
	want   string
}

// programs is the table.
func programs() []program {
	return append(append(perlPrograms(), pythonPrograms()...), rubyPrograms()...)
}

// What a request says to be served cold. Both ways have the same URL, so that the
// links in the two pages are the same.
const modeHeader = "Serve"

const caddyfile = `
@program path /program /program/*
header @program >Prefork-Mode {http.prefork_cgi.mode}
@cold {
	path /program /program/*
	header ` + modeHeader + ` cold
}
prefork_cgi @cold {
	%[1]s
	warm off
}
prefork_cgi /program* {
	%[1]s
}
`

// serve starts a Caddy that serves the program both ways.
func (p program) serve(tb testing.TB) *site.Site {
	tb.Helper()
	p.needExample(tb)
	s := site.Prepare(tb, "", nil)
	// The path of a packaged script is not the site's: its processes are known by a
	// variable.
	tb.Cleanup(func() { noProcesses(tb, s.Folder) })
	for name, text := range p.files {
		s.Write(name, strings.ReplaceAll(text, "@SITE@", s.Folder))
	}
	script := p.script
	if !filepath.IsAbs(script) {
		script = s.Path(script)
	} else if _, err := os.Stat(script); err != nil {
		tb.Fatalf("%v: install package %s", err, p.pkg)
	}
	if p.prepare != nil {
		p.prepare(tb, s)
	}
	s.Config = fmt.Sprintf(caddyfile, strings.Join([]string{
		"script " + script,
		"script_name /program",
		"env PATH /usr/bin:/bin", // the packaged interpreters, whatever else is installed
		"env PROGRAMS_FOLDER @SITE@",
		p.config,
	}, "\n\t"))
	s.Start()
	return s
}

// noProcesses fails the test if a process has the site's variable.
func noProcesses(tb testing.TB, folder string) {
	tb.Helper()
	(&site.Site{T: tb}).Await("processes at the end", func() error {
		files, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), "PROGRAMS_FOLDER="+folder) {
				return errors.New(file + " is left")
			}
		}
		return nil
	})
}

// ask makes a request in one of the two ways.
func (r request) ask(s *site.Site, mode string) site.Reply {
	method, body := http.MethodGet, io.Reader(nil)
	if r.post != "" {
		method, body = http.MethodPost, strings.NewReader(r.post)
	}
	return s.Do(method, "/program"+strings.ReplaceAll(r.url, "@SITE@", s.Folder), body, func(h *http.Request) {
		if r.post != "" {
			h.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for name, value := range r.header {
			h.Header.Set(name, strings.ReplaceAll(value, "@ADDR@", s.Addr))
		}
		if mode == "cold" {
			h.Header.Set(modeHeader, "cold")
		}
	})
}

// masked is the answer as it is compared: all of it but what may differ. Whether a
// short one has a Content-Length that the script has not said depends on when it
// comes: net/http writes it if it has all in time. That it is true the client checks.
func (p program) masked(r site.Reply) string {
	header := r.Header.Clone()
	header.Del("Date")
	header.Del("Content-Length")
	header.Del("Prefork-Mode")
	var text strings.Builder
	fmt.Fprintf(&text, "%d\n", r.Status)
	header.Write(&text) // in order of their names
	text.WriteString("\n" + r.Body)
	masked := text.String()
	for _, mask := range p.masks {
		masked = regexp.MustCompile(mask).ReplaceAllString(masked, "(masked)")
	}
	return masked
}

// A pool is what the admin endpoint says of one.
type pool struct {
	Mode, Why, Library string
	Loaded             []string
	Risks              []any
}

// warmPool returns the pool that is automatically warm.
func warmPool(s *site.Site) (pool, error) {
	resp, err := http.Get("http://" + s.Admin + "/prefork_cgi/pools")
	if err != nil {
		return pool{}, err
	}
	defer resp.Body.Close()
	var pools []pool
	if err := json.NewDecoder(resp.Body).Decode(&pools); err != nil {
		return pool{}, err
	}
	for _, p := range pools {
		if p.Mode == "automatic" {
			return p, nil
		}
	}
	return pool{}, fmt.Errorf("none is warm: %+v", pools)
}

// warmUp makes a first warm request, and returns the pool as it is when its server has
// just been set up: what the executor of the request loads is reported at its end.
func (p program) warmUp(s *site.Site) (setUp pool) {
	s.T.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.requests[0].ask(s, "warm")
	}()
	defer func() { <-done }()
	s.Await("warm pool", func() (err error) {
		setUp, err = warmPool(s)
		return err
	})
	return setUp
}

// run runs a command in the site's folder, for a prepare. Nothing of the machine's
// configuration counts.
func run(tb testing.TB, s *site.Site, name string, args ...string) {
	tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = s.Folder
	cmd.Env = []string{
		"PATH=/usr/bin:/bin", "HOME=" + s.Folder, "LANG=C.UTF-8", "HGRCPATH=", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_AUTHOR_DATE=2024-01-02T10:00:00Z",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org", "GIT_COMMITTER_DATE=2024-01-02T10:00:00Z",
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v: %s", name, err, out)
	}
}

// needExample skips a program on a system that installs no documentation, as some
// images do, if it is part of that.
func (p program) needExample(tb testing.TB) {
	tb.Helper()
	if _, err := os.Stat(p.example); p.example == "" || err == nil {
		return
	}
	configs, _ := filepath.Glob("/etc/dpkg/dpkg.cfg.d/*")
	for _, config := range configs {
		text, _ := os.ReadFile(config)
		if strings.Contains(string(text), "path-exclude") && strings.Contains(string(text), "/usr/share/doc") {
			tb.Skipf("%s has dpkg leave out %s", config, p.example)
		}
	}
	tb.Fatalf("%s is missing: install package %s", p.example, p.pkg)
}
