package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// What other parts of Caddy see of us.

func TestErrorsGoThroughHandleErrors(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `
	handle_errors {
		respond "{err.status_code} {err.message}"
	}
	request_body /count.cgi {
		max_size 10
	}
	prefork_cgi`, map[string]string{
		"-plain.pl": "source", "empty.cgi": "#!/bin/sh\nexit 7\n", "gone.cgi": "#!/no/such/interpreter\n",
		"crlf.cgi": "#!/bin/sh\r\necho\r\n", "count.cgi": site.Shell("wc -c"),
	})
	for path, want := range map[string]string{
		"/plain.pl":  "403 cannot run @/plain.pl: it is not executable, and no interpreter is set for it",
		"/empty.cgi": "502 the script ended before its header was complete: exit status 7",
		"/gone.cgi":  "502 cannot start @/gone.cgi: no such file or directory (the interpreter /no/such/interpreter of its #! line does not exist)",
		"/crlf.cgi":  "502 cannot start @/crlf.cgi: no such file or directory (its #! line ends in a carriage return; save it with Unix line ends)",
	} {
		if r := s.Get(path); r.Body != strings.ReplaceAll(want, "@", s.Folder) {
			t.Errorf("%s: %q, want %q", path, r.Body, want)
		}
	}
	if r := s.Do("POST", "/count.cgi", strings.NewReader("more than ten")); !strings.HasPrefix(r.Body, "413 ") {
		t.Errorf("over request_body's limit: %d %q, %v", r.Status, r.Body, r.Err)
	}
	s.Want(s.Do("POST", "/count.cgi", strings.NewReader("ten at all")), 200, "10\n")
}

func TestPlaceholdersAndAccessLog(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `
	header >X-Call "{http.prefork_cgi.mode} {http.prefork_cgi.script}"
	log_append status {http.prefork_cgi.exit_status}
	log_append pid {http.prefork_cgi.pid}
	prefork_cgi`, map[string]string{
		"cold.cgi": site.Shell("printf $$; echo careful >&2; exit 3"),
		// It stays for a while: protocol v1 does not tell the number of an executor
		// that ends at once, and then it is its group's that is logged.
		"warm.pl": site.Perl("print $$; print STDERR qq{careful\\n}; select undef, undef, undef, 0.3; POSIX::_exit(4);"),
	})
	for path, want := range map[string]struct{ mode, status string }{"/cold.cgi": {"cold", "3"}, "/warm.pl": {"explicit", "4"}} {
		r := s.Get(path)
		if got := r.Header.Get("X-Call"); got != want.mode+" "+s.Folder+path {
			t.Errorf("%s: header %q", path, got)
		}
		access := s.AwaitEntry("handled request", func(e map[string]any) bool {
			return e["request"].(map[string]any)["uri"] == path
		})
		ours, _ := access["prefork_cgi"].(map[string]any)
		if fmt.Sprint(ours["exit_status"], ours["mode"]) != fmt.Sprint(want.status, want.mode) || fmt.Sprint(access["pid"]) != r.Body {
			t.Errorf("%s: access log %v, body %q", path, access, r.Body)
		}
		line := s.AwaitEntry("script stderr", func(e map[string]any) bool { return e["script"] == s.Path(path[1:]) })
		if line["line"] != "careful" || fmt.Sprint(line["pid"]) != r.Body || line["request_id"] != access["uuid"] || access["uuid"] == nil {
			t.Errorf("%s: line %v, access log %v", path, line, access)
		}
	}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	s := site.Prepare(t, "prefork_cgi", map[string]string{
		"count.cgi": site.Shell(`printf '%s %s ' "$SERVER_PROTOCOL" "$HTTPS"; wc -c`),
		"killed.pl": site.Perl("print 'part'; kill 9, $$;"),
		"slow.cgi":  site.Shell(`printf one; read -r line; printf "$line"`),
	})
	s.TLS = true
	s.Start()
	config := s.Trust()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	url := "https://" + s.Addr
	post := func(path string, body io.Reader) (string, error) {
		resp, err := client.Post(url+path, "text/plain", body)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	for _, size := range []int{0, 10, 300_000} {
		// A reader of unknown length: HTTP/2 then announces none.
		got, err := post("/count.cgi", struct{ io.Reader }{strings.NewReader(strings.Repeat("x", size))})
		if want := fmt.Sprintf("HTTP/2.0 on %d\n", size); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if got, err := post("/killed.pl", nil); err == nil {
		t.Errorf("a killed script looks complete: %q", got)
	}
	// Both ways at once: the second half of the body is sent when the first half
	// of the answer has come.
	r, w := io.Pipe()
	request, err := http.NewRequest("POST", url+"/slow.cgi", r)
	site.Must(t, err)
	request.ContentLength = 4
	resp, err := client.Do(request)
	site.Must(t, err)
	defer resp.Body.Close()
	first := make([]byte, 3)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "one" {
		t.Fatalf("first: %q, %v", first, err)
	}
	io.WriteString(w, "two\n")
	w.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "two" {
		t.Errorf("rest: %q, %v", rest, err)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{"echo.cgi": site.Shell("cat"), "quiet.cgi": site.Shell("printf ok")})
	conn, err := net.Dial("tcp", s.Addr)
	site.Must(t, err)
	defer conn.Close()
	client := &http.Client{Transport: &http.Transport{
		DialContext:     func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		MaxConnsPerHost: 1,
	}}
	defer client.CloseIdleConnections()
	for i := range 5 {
		for _, path := range []string{"/echo.cgi", "/quiet.cgi"} {
			resp, err := client.Post("http://"+s.Addr+path, "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatalf("request %d on the same connection: %v", i, err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
}
