package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

func TestResponses(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi\nhandle /static.txt {\n respond static\n}\nfile_server", map[string]string{
		"status.cgi":    "#!/bin/sh\nprintf 'status: 418 Short and stout\\nX-A: 1\\nX-A: 2\\nContent-Type: text/plain\\n\\nteapot'\n",
		"redirect.cgi":  "#!/bin/sh\nprintf 'Location: https://example.org/\\n\\n'\n",
		"relative.cgi":  "#!/bin/sh\nprintf 'Status: 303 See Other\\nLocation: /elsewhere\\nSet-Cookie: a=b\\n\\n'\n",
		"local.cgi":     "#!/bin/sh\nprintf 'Location: /echo.cgi/there?x=y\\n\\n'\n",
		"tostatic.cgi":  "#!/bin/sh\nprintf 'Location: /static.txt\\n\\n'\n",
		"loop.cgi":      "#!/bin/sh\nprintf 'Location: /loop.cgi\\n\\n'\n",
		"echo.cgi":      site.Shell(`printf '%s %s %s' "$REQUEST_METHOD" "$PATH_INFO" "$QUERY_STRING"`),
		"nph-raw.cgi":   "#!/bin/sh\nprintf 'HTTP/1.1 201 Created\\r\\nX-Raw: yes\\r\\n\\r\\nraw'\n",
		"empty.cgi":     "#!/bin/sh\nexit 3\n",
		"careless.cgi":  site.Shell("printf done; exit 4"),
		"noheader.cgi":  "#!/bin/sh\necho Hello\n",
		"nocontent.cgi": "#!/bin/sh\nprintf 'Status: 204\\n\\nignored'\n",
		"hints.cgi":     "#!/bin/sh\nprintf 'Status: 103\\nLink: </style.css>; rel=preload\\n\\nContent-Type: text/plain\\n\\nhinted'\n",
		"hop.cgi":       "#!/bin/sh\nprintf 'Connection: close\\nTransfer-Encoding: chunked\\nContent-Type: text/plain\\n\\nplain'\n",
		"length.cgi":    "#!/bin/sh\nprintf 'Content-Length: 3\\nContent-Type: text/plain\\n\\nmore than three'\n",
	})
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/status.cgi": {418, "teapot"}, "/redirect.cgi": {302, ""}, "/relative.cgi": {303, ""},
		"/local.cgi": {200, "GET /there x=y"}, "/tostatic.cgi": {200, "static"}, "/loop.cgi": {502, ""},
		"/nph-raw.cgi": {201, "raw"}, "/careless.cgi": {200, "done"}, "/empty.cgi": {502, ""}, "/noheader.cgi": {502, ""},
		"/nocontent.cgi": {204, ""}, "/hints.cgi": {200, "hinted"}, "/hop.cgi": {200, "plain"},
		"/length.cgi": {200, "mor"}, "/nothere.cgi": {404, ""},
	} {
		r := s.Get(path)
		if r.Err != nil || r.Status != want.status || want.body != "" && r.Body != want.body {
			t.Errorf("%s: got %d %q, error %v; want %v", path, r.Status, r.Body, r.Err, want)
		}
	}
	if r := s.Get("/status.cgi"); strings.Join(r.Header["X-A"], ",") != "1,2" || r.Header.Get("Status") != "" {
		t.Errorf("header is %v", r.Header)
	}
	if r := s.Get("/relative.cgi"); r.Header.Get("Location") != "/elsewhere" || r.Header.Get("Set-Cookie") != "a=b" {
		t.Errorf("header is %v", r.Header)
	}
	if r := s.Do("POST", "/local.cgi", strings.NewReader("body")); r.Body != "GET /there x=y" {
		t.Errorf("a local redirect of a POST: %q", r.Body)
	}
	if r := s.Do("HEAD", "/echo.cgi", nil); r.Status != 200 || r.Body != "" {
		t.Errorf("HEAD: %d %q", r.Status, r.Body)
	}
	s.AwaitEntry("script has ended", func(e map[string]any) bool { return e["exit_status"] == "4" && e["level"] == "warn" })
	s.AwaitEntry("script has ended", func(e map[string]any) bool { return e["exit_status"] == "3" && e["level"] == "error" })
}

func TestFilesOfTheTree(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	site.Must(t, os.WriteFile(outside+"/out.cgi", []byte(site.Shell("echo out")), 0o755))
	s := site.Serve(t, "prefork_cgi {\n index index.cgi\n interpreter .py python3\n}\nfile_server", map[string]string{
		"dir/index.cgi": site.Shell(`printf 'index %s %s' "$SCRIPT_NAME" "$PATH_INFO"`),
		"a.cgi/b.cgi":   site.Shell(`printf '%s|%s' "$SCRIPT_NAME" "$PATH_INFO"`),
		"-source.pl":    "secret source",
		"-interp.py":    "print('Content-Type: text/plain\\n\\npython', end='')",
		"-page.txt":     "page",
		"UPPER.CGI":     site.Shell("printf upper"),
	})
	site.Must(t, os.Symlink(outside+"/out.cgi", s.Path("out.cgi")))
	site.Must(t, os.Symlink("UPPER.CGI", s.Path("in.cgi")))
	for path, want := range map[string]string{
		"/dir/":                 "200 index /dir/index.cgi ",
		"/a.cgi/b.cgi/x//y%2Fz": "200 /a.cgi/b.cgi|/x//y/z",
		"/interp.py":            "200 python",
		"/page.txt":             "200 page",
		"/UPPER.CGI":            "200 upper",
		"/in.cgi":               "200 upper",
		"/source.pl":            "403 ",
		"/out.cgi":              "403 ",
		"/a.cgi%2Fb.cgi":        "400 ",
		"/dir/..%2Fa.cgi/b.cgi": "400 ",
		"/dir/../a.cgi/b.cgi/p": "200 /a.cgi/b.cgi|/p",
		"/a.cgi/b.cgi%00":       "400 ",
		"/..%2f..%2fetc/passwd": "404 ",
		"/dir":                  "308 ",
		"/a.cgi/none":           "404 ",
	} {
		r := s.Get(path)
		if got := fmt.Sprintf("%d %s", r.Status, r.Body); got != want {
			t.Errorf("%s: got %q, want %q, error %v", path, got, want, r.Err)
		}
	}
	if r := s.Get("/dir?x=y"); r.Header.Get("Location") != "./dir/?x=y" {
		t.Errorf("Location is %q", r.Header.Get("Location"))
	}
}

func TestEnvironmentIsTheRequestsAndTheAdministratorsAndNobodyElses(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `
	@auth path /auth/*
	basic_auth @auth {
		user $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG
	}
	handle_path /sub/* {
		prefork_cgi
	}
	prefork_cgi {
		args one "t w o"
		env SET value
		env FROM_HOST {host}
		env HTTP_X_SPOOFED real
		pass_env PASSED NOT_THERE
	}`, map[string]string{
		"env.cgi": site.Shell(`env; echo "ARGS=$#:$1:$2"; ls /proc/self/fd | tr '\n' ' '; pwd`),
		"warm.pl": strings.Replace(site.Perl(`print map { "$_=$ENV{$_}\n" } keys %ENV; print "ARGS=@ARGV SETUP=@setup"`), "prefork_init", "our @setup = sort keys %ENV;\nprefork_init", 1),
	})
	for _, path := range []string{"/env.cgi/info?q=1", "/warm.pl/info?q=1"} {
		r := s.Get(path, func(r *http.Request) {
			r.Header.Set("Proxy", "evil")
			r.Header.Set("X-Spoofed", "by the client")
			r.Header.Set("Cookie", "a=1")
		})
		lines := map[string]bool{}
		for line := range strings.SplitSeq(r.Body, "\n") {
			lines[line] = true
		}
		for _, want := range []string{
			"SET=value", "FROM_HOST=127.0.0.1", "PASSED=passed", "HTTP_X_SPOOFED=real", "HTTP_COOKIE=a=1", "LANG=C.UTF-8",
			"PATH_INFO=/info", "QUERY_STRING=q=1", "GATEWAY_INTERFACE=CGI/1.1", "DOCUMENT_ROOT=" + s.Folder,
			"REQUEST_URI=" + path, "SCRIPT_NAME=" + path[:8], "SCRIPT_FILENAME=" + s.Folder + path[:8],
			"REMOTE_ADDR=127.0.0.1", "SERVER_ADDR=127.0.0.1", "SERVER_NAME=127.0.0.1", "REQUEST_SCHEME=http",
		} {
			if !lines[want] {
				t.Errorf("%s: no %q in %q", path, want, r.Body)
			}
		}
		for _, unwanted := range []string{"SECRET_TOKEN", "HTTP_PROXY", "PREFORK_INTERP=", "PREFORK_TEST", "NOT_THERE", "NOTIFY_SOCKET"} {
			if strings.Contains(r.Body, unwanted) {
				t.Errorf("%s: %s in %q", path, unwanted, r.Body)
			}
		}
	}
	if r := s.Get("/env.cgi"); !strings.Contains(r.Body, "ARGS=2:one:t w o\n0 1 2 3 "+s.Folder) { // 3 is ls's own
		t.Errorf("arguments, descriptors or folder: %q", r.Body)
	}
	if r := s.Get("/warm.pl"); !strings.Contains(r.Body, "ARGS=one t w o SETUP=GATEWAY_INTERFACE HTTP_X_SPOOFED LANG PASSED PATH SERVER_SOFTWARE SET") {
		t.Errorf("what setup has seen: %q", r.Body)
	}
	if r := s.Get("/sub/env.cgi/x"); !strings.Contains(r.Body, "SCRIPT_NAME=/sub/env.cgi\n") || !strings.Contains(r.Body, "PATH_INFO=/x\n") {
		t.Errorf("under handle_path: %q", r.Body)
	}
}

func TestSingleScript(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `
	prefork_cgi /app* {
		script @SITE@/one.cgi
	}
	prefork_cgi /named/* {
		script @SITE@/one.cgi
		script_name /called
	}
	handle_path /strip/* {
		prefork_cgi {
			script @SITE@/one.cgi
		}
	}
	prefork_cgi /gone {
		script @SITE@/gone.cgi
	}
	respond /else other`, map[string]string{"one.cgi": site.Shell(`printf '%s|%s' "$SCRIPT_NAME" "$PATH_INFO"`)})
	for path, want := range map[string]string{
		"/app": "/app|", "/app/x/y": "/app|/x/y", "/application": "/app|/application",
		"/named/x": "/called|/named/x", "/strip/x": "/strip|/x", "/else": "other",
	} {
		s.Want(s.Get(path), 200, want)
	}
	s.Want(s.Get("/gone"), 404, "")
}

func TestRequestBodies(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n spool_limit 5MB\n}", map[string]string{
		"count.cgi":  site.Shell(`printf '%s ' "$CONTENT_LENGTH"; wc -c`),
		"warm.pl":    site.Perl(`my $n = 0; while (my $r = read STDIN, my $b, 65536) { $n += $r } print "$ENV{CONTENT_LENGTH} $n"`),
		"unread.cgi": site.Shell("exec <&-; printf ignored"),
		"echo.cgi":   site.Shell("cat"),
	})
	for _, size := range []int{0, 1, 70_000, 4_000_000} {
		body := strings.Repeat("x", size)
		for _, path := range []string{"/count.cgi", "/warm.pl"} {
			for name, reader := range map[string]io.Reader{"known": strings.NewReader(body), "chunked": struct{ io.Reader }{strings.NewReader(body)}} {
				r := s.Do("POST", path, reader)
				var length, n int
				if fmt.Sscan(r.Body, &length, &n); r.Status != 200 || n != size || size > 0 && length != size {
					t.Errorf("%s, %s, %d bytes: %d %q, %v", path, name, size, r.Status, r.Body, r.Err)
				}
			}
		}
	}
	s.Want(s.Do("POST", "/count.cgi", struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 5_000_001))}), 413, "")
	s.Want(s.Do("POST", "/unread.cgi", strings.NewReader(strings.Repeat("x", 10_000_000))), 200, "ignored")
	// More than all pipes hold goes in while as much comes out.
	if r := s.Do("POST", "/echo.cgi", strings.NewReader(strings.Repeat("x", 3_000_000))); len(r.Body) != 3_000_000 {
		t.Errorf("echo of %d bytes: %d, %v", len(r.Body), r.Status, r.Err)
	}
}

func TestOutputIsSentWhenTheScriptPauses(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi\nencode gzip", map[string]string{
		"slow.cgi":   site.Shell("printf one; read -r line; printf \"$line\""),
		"stream.cgi": "#!/bin/sh\nprintf 'Content-Type: text/event-stream\\n\\n'; printf 'data: one\\n\\n'; read -r line; printf \"data: $line\\n\\n\"\n",
	})
	for _, path := range []string{"/slow.cgi", "/stream.cgi"} {
		conn, err := net.Dial("tcp", s.Addr)
		site.Must(t, err)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nConnection: close\r\n\r\n", path)
		in := bufio.NewReader(conn)
		var got strings.Builder
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		for !strings.Contains(got.String(), "one") {
			line, err := in.ReadString('e')
			got.WriteString(line)
			if err != nil {
				t.Fatalf("%s: %v after %q", path, err, got.String())
			}
		}
		io.WriteString(conn, "two\n") // only now, so nothing has waited for it
		rest, _ := io.ReadAll(in)
		if !strings.Contains(string(rest), "two") {
			t.Errorf("%s: rest is %q", path, rest)
		}
		conn.Close()
	}
}

func TestGrandchildThatHoldsStdoutDoesNotHoldTheResponse(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"cold.cgi": site.Shell("sleep 30 & printf $!"),
		"warm.pl":  site.Perl(`my $pid = fork; if (!$pid) { $SIG{INT} = 'IGNORE'; sleep 30; exit } print $pid; close STDOUT; POSIX::_exit(0)`),
	})
	for _, path := range []string{"/cold.cgi", "/warm.pl"} {
		r := s.Get(path)
		s.Want(r, 200, "")
		var pid int
		if fmt.Sscan(r.Body, &pid); pid == 0 || r.Took > 20*time.Second {
			t.Errorf("%s: %q after %v", path, r.Body, r.Took)
			continue
		}
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill()
		}
	}
}
