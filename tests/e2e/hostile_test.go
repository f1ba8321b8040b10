package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// hostileSite is what is attacked: scripts, pages beside them, a folder that is guarded,
// a script of its own and a stripped prefix.
const hostileSite = `global servers {
		protocols h1 h2c
	}

	basic_auth /guarded/* {
		user $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG
	}
	respond /probe "probe {http.request.uri.query}"
	prefork_cgi /single* {
		script @SITE@/single.pl
		env RUNS @STATE@/runs
		warm @WARM@
	}
	handle_path /strip/* {
		prefork_cgi {
			root @SITE@/www
			env RUNS @STATE@/runs
			warm @WARM@
		}
		file_server {
			root @SITE@/www
		}
	}
	prefork_cgi {
		root @SITE@/www
		env RUNS @STATE@/runs
		warm @WARM@
		spool_limit 100KiB
	}
	file_server {
		root @SITE@/www
		hide .* *.pm *~ *.bak
	}`

// serveHostile serves what the table speaks of, and returns what scripts write when they run.
func serveHostile(t *testing.T, warm string) (*site.Site, *os.File) {
	t.Helper()
	s := site.Prepare(t, strings.ReplaceAll(hostileSite, "@WARM@", warm), map[string]string{
		"-secret.txt": "SECRET", "-www/page.txt": "page", "-www/folder.pl/x.txt": "",
		"www/bash.cgi": "#!/bin/bash\nexec /usr/bin/perl \"$0.pl\"\n",
	})
	s.Hosts, s.Level = true, "ERROR"
	plantHostile(t, s)
	s.Start()
	runs, err := os.OpenFile(filepath.Join(s.State, "runs"), os.O_RDONLY|os.O_CREATE, 0o666)
	site.Must(t, err)
	t.Cleanup(func() { runs.Close() })
	return s, runs
}

// plantHostile makes the files that are more than text.
func plantHostile(t *testing.T, s *site.Site) {
	t.Helper()
	plant := func(kind string, mode os.FileMode, names ...string) {
		text, err := os.ReadFile(filepath.Join("testdata", "hostile", "env."+kind))
		site.Must(t, err)
		for _, name := range names {
			site.Must(t, os.MkdirAll(filepath.Dir(s.Path(name)), 0o755))
			site.Must(t, os.WriteFile(s.Path(name), text, mode))
		}
	}
	plant("pl", 0o755, "secret.pl", "single.pl", "outside/out.pl")
	for _, name := range []string{
		"env.pl", "unread.pl", "bash.cgi.pl", "dir/in.pl", "dir/index.pl", "guarded/admin.pl", "guarded/index.pl", ".dot.pl",
		"new\nline.pl", "-e.pl", "sp ace.pl", "$(touch pwned).pl", "semi;colon.pl", "back\\slash.pl", "what?.pl", "per%2fcent.pl",
		"by\xff\xfete.pl", "{http.request.host}.pl",
	} {
		plant("pl", 0o755, "www/"+name)
	}
	plant("py", 0o755, "www/env.py")
	plant("rb", 0o755, "www/env.rb")
	plant("pl", 0o644, "www/noexec.pl", "www/settings.py", "www/lib/Secret.pm", "www/.htpasswd", "www/.env", "www/.git/config",
		"www/env.pl~", "www/env.pl.bak", "www/.env.pl.swp")
	for name, target := range map[string]string{
		"inner.pl": "env.pl", "out.pl": "../outside/out.pl", "outdir": "../outside", "up": "..", "passwd.pl": "/etc/passwd",
		"shell.pl": "/bin/sh", "dangling.pl": "none", "loop.pl": "loop.pl", "null.pl": "/dev/null", "self": ".",
	} {
		site.Must(t, os.Symlink(target, s.Path("www/"+name)))
	}
	site.Must(t, syscall.Mkfifo(s.Path("www/fifo.pl"), 0o666))
}

func TestHostileRequests(t *testing.T) {
	t.Setenv("PATH", "/usr/bin:/bin")
	cases := readHostile(t)
	for _, warm := range []string{"auto", "off"} {
		t.Run("warm "+warm, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting
			s, runs := serveHostile(t, warm)
			for i, c := range cases {
				if problem := errors.Join(c.attack(t, s, i), c.check(s, runs)); problem != nil {
					t.Errorf("hostile.txt, line %d: %v", c.line, problem)
				}
			}
			for _, name := range []string{"pwned", "www/pwned"} {
				if _, err := os.Stat(s.Path(name)); err == nil {
					t.Errorf("%s is there: a shell has run what a client has sent", name)
				}
			}
		})
	}
}

// attack sends a request and behind it another on the same connection, and says what
// is wrong with what has happened.
func (c *hostileCase) attack(t *testing.T, s *site.Site, number int) error {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	site.Must(t, err)
	defer conn.Close()
	site.Must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	probe := fmt.Sprintf("GET /probe?%d HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", number, s.Addr)
	if c.cut {
		probe = ""
	}
	go func() { // until the connection is closed; a server that refuses need not read all
		_, _ = io.WriteString(conn, c.place(s, c.request)+probe)
		if c.cut {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	answers, err := readAnswers(conn, c.request)
	if err != nil {
		return err
	}
	if probed := len(answers) == 2 && !c.cut; probed {
		if want := fmt.Sprintf("200 probe %d", number); answers[1] != want {
			return fmt.Errorf("the next request on the connection: %.200q, want %q", answers[1], want)
		}
		answers = answers[:1]
	}
	status := "none"
	if len(answers) > 0 {
		status, _, _ = strings.Cut(answers[0], " ")
	}
	if len(answers) > 1 || !slices.Contains(c.status, status) {
		return fmt.Errorf("answers are %.300q, want one with status %s", answers, c.status)
	}
	return nil
}

// harmless are the fields that responses of the site have.
var harmless = []string{
	"Accept-Ranges", "Allow", "Connection", "Content-Length", "Content-Type", "Date", "Etag", "Last-Modified", "Location", "Server",
	"Vary", "Www-Authenticate", "X-Content-Type-Options", "X-Ran",
}

// readAnswers reads all responses on a connection, each as its status and its body.
func readAnswers(conn net.Conn, request string) ([]string, error) {
	var answers []string
	method, _, _ := strings.Cut(strings.TrimLeft(request, "\r\n"), " ")
	r := bufio.NewReader(conn)
	for {
		if _, err := r.Peek(1); errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return answers, nil
		}
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return answers, fmt.Errorf("what comes behind %.300q is no response: %w", answers, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil && !errors.Is(err, syscall.ECONNRESET) { // as net/http does when it has refused
			return answers, fmt.Errorf("status %d, body breaks off: %w", resp.StatusCode, err)
		}
		for name, values := range resp.Header {
			if !slices.Contains(harmless, name) || strings.Contains(strings.Join(values, ""), "evil") {
				return answers, fmt.Errorf("status %d, with a field %s: %q", resp.StatusCode, name, values)
			}
		}
		if strings.Contains(string(body), "SECRET") {
			return answers, fmt.Errorf("a secret is shown: %.300q", body)
		}
		answers = append(answers, strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", string(body))))
		method = "GET" // of what follows
	}
}
