package e2e

import (
	"bufio"
	"errors"
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

func TestBodiesWithoutALengthInEveryVersionOfHTTP(t *testing.T) {
	t.Parallel()
	for version, client := range clients(t) {
		protocol, _, _ := strings.Cut(version, " ")
		post := func(path string, size int) (int, string) {
			body := struct{ io.Reader }{strings.NewReader(strings.Repeat("x", size))}
			resp, err := client.Post(client.url+path, "text/plain", body)
			if err != nil {
				t.Errorf("%s %s: %v", version, path, err)
				return 0, ""
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Errorf("%s %s: %v", version, path, err)
			}
			return resp.StatusCode, string(text)
		}
		for _, script := range []string{"/count.cgi", "/count.pl"} {
			for _, size := range []int{1, 10, 200_000, 1_000_000} {
				if _, got := post("/spool"+script, size); got != fmt.Sprintf("%s %d %d\n", protocol, size, size) {
					t.Errorf("%s, spooled for %s, %d bytes: %q", version, script, size, got)
				}
				if _, got := post("/stream"+script, size); got != fmt.Sprintf("%s none %d\n", protocol, size) {
					t.Errorf("%s, streamed to %s, %d bytes: %q", version, script, size, got)
				}
			}
			if status, _ := post("/spool"+script, 1_000_001); status != http.StatusRequestEntityTooLarge {
				t.Errorf("%s, over the spool_limit of %s: %d", version, script, status)
			}
		}
		if status, got := post("/stream/unread.cgi", 10_000_000); status != http.StatusOK || got != "ignored\n" {
			t.Errorf("%s, not read at all: %d %q", version, status, got)
		}
	}
}

// The client says nothing more before it has heard all that it has said.
func TestStreamedBodyIsAConversation(t *testing.T) {
	t.Parallel()
	part := strings.Repeat("0123456789abcdef", 1000)
	for version, client := range clients(t) {
		for _, script := range []string{"/stream/echo.cgi", "/stream/echo.pl"} {
			ours, theirs := io.Pipe()
			request, err := http.NewRequest(http.MethodPost, client.url+script, ours)
			site.Must(t, err)
			// The transports send the header when the body has begun.
			go io.WriteString(theirs, part)
			resp, err := client.Do(request)
			if err != nil {
				t.Errorf("%s %s: %v", version, script, err)
				continue
			}
			got := make([]byte, len(part))
			for i := range 100 {
				if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != part {
					t.Errorf("%s %s: part %d: %v", version, script, i, err)
					break
				}
				_, err := io.WriteString(theirs, part)
				site.Must(t, err)
			}
			site.Must(t, theirs.Close())
			if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != part {
				t.Errorf("%s %s: the last part has %d bytes, %v", version, script, len(rest), err)
			}
			resp.Body.Close()
		}
	}
}

// A client that gives up in the midst of a body ends the script, which never sees the end of
// its input.
func TestAbortedBodyIsNotTakenForAll(t *testing.T) {
	t.Parallel()
	for version, client := range clients(t) {
		for folder, length := range map[string]int64{"spool": 10, "stream": -1} {
			mark := strings.NewReplacer("/", "", " ", "").Replace(version)
			exists := func(what string) error {
				_, err := os.Stat(client.site.Path(folder + "/" + mark + "." + what))
				return err
			}
			ours, theirs := io.Pipe()
			request, err := http.NewRequest(http.MethodPost, client.url+"/"+folder+"/mark.cgi?"+mark, ours)
			site.Must(t, err)
			request.ContentLength = length
			status := make(chan int)
			go func() { // until the body has been given up
				resp, err := client.Do(request)
				if err != nil {
					status <- 0
					return
				}
				resp.Body.Close()
				status <- resp.StatusCode
			}()
			io.WriteString(theirs, "abc")
			client.site.Await("the script", func() error { return exists("begun") })
			theirs.CloseWithError(errors.New("the client gives up"))
			// By HTTP/3 it gives up sending, and can still hear.
			if got := <-status; got != 0 && got != http.StatusBadRequest {
				t.Errorf("%s, %s: got %d", version, folder, got)
			}
			access := client.site.AwaitEntry("handled request", func(e map[string]any) bool {
				return e["request"].(map[string]any)["uri"] == request.URL.RequestURI()
			})
			ended := client.site.AwaitEntry("script has ended", func(e map[string]any) bool { return e["request_id"] == access["uuid"] })
			if ended["exit_status"] != "SIGTERM" || exists("complete") == nil {
				t.Errorf("%s, %s: the script has ended with %v", version, folder, ended["exit_status"])
			}
		}
	}
}

// late counts a body before it begins to answer.
const late = "#!/bin/sh\nn=$(wc -c)\nprintf 'Content-Type: text/plain\\n\\n%s' \"$n\"\n"

func TestStreamedBodyThatBreaksOffIsNotTakenForAll(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "request_body /limited.cgi {\n max_size 100000\n}\nprefork_cgi {\n request_body stream\n body_timeout 1s\n}", map[string]string{
		"late.cgi": late, "limited.cgi": late, "early.cgi": site.Shell("cat"),
	})
	for name, c := range map[string]struct {
		path, body string
		half       bool // the client sends no more
		status     int
	}{
		"complete":           {"/late.cgi", "3\r\nabc\r\n0\r\n\r\n", false, 200},
		"empty":              {"/late.cgi", "0\r\n\r\n", false, 200},
		"with trailers":      {"/late.cgi", "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", false, 200},
		"bad chunk":          {"/late.cgi", "3\r\nabc\r\nzz\r\nabc\r\n0\r\n\r\n", false, 400},
		"half a chunk":       {"/late.cgi", "5\r\nabc", true, 400},
		"no last chunk":      {"/late.cgi", "3\r\nabc\r\n", true, 400},
		"nothing more comes": {"/late.cgi", "3\r\nabc\r\n", false, 408},
		"too large":          {"/limited.cgi", "186a1\r\n" + strings.Repeat("x", 100_001) + "\r\n0\r\n\r\n", false, 413},
	} {
		head := "POST " + c.path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
		r, body := raw(t, s, head+c.body, c.half)
		left := c.half && r.StatusCode == 499 // which may be seen first
		if r.StatusCode != c.status && !left {
			t.Errorf("%s: status %d, %q", name, r.StatusCode, body)
		}
	}
	// After the header only the connection can tell.
	conn, err := net.Dial("tcp", s.Addr)
	site.Must(t, err)
	defer conn.Close()
	io.WriteString(conn, "POST /early.cgi HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	site.Must(t, err)
	got := make([]byte, 3)
	_, err = io.ReadFull(r.Body, got)
	site.Must(t, err)
	io.WriteString(conn, "zz\r\n")
	if rest, err := io.ReadAll(r.Body); err == nil || len(rest) > 0 {
		t.Errorf("the response to half a body ends with %q, %v", rest, err)
	}
}

func TestRequestBodyMaxSizeCountsWhatIsSpooled(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "request_body {\n max_size 100000\n}\nprefork_cgi", map[string]string{"late.cgi": late})
	for size, want := range map[int]int{100_000: http.StatusOK, 100_001: http.StatusRequestEntityTooLarge} {
		body := strings.Repeat("x", size)
		for _, rest := range []string{
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, body),
			fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, body),
		} {
			r, got := raw(t, s, "POST /late.cgi HTTP/1.1\r\nHost: 127.0.0.1\r\n"+rest, false)
			if r.StatusCode != want || want == http.StatusOK && got != "100000" {
				t.Errorf("%d bytes, %.20q: %d %q, want %d", size, rest, r.StatusCode, got, want)
			}
		}
	}
}

// A client that asks first is told to go on by a request that will be served, and not by one
// that is refused without its body.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi /stream/* {\n request_body stream\n}\nprefork_cgi /busy/* {\n max_concurrent 1\n queue 0\n}\nprefork_cgi", map[string]string{
		"count.cgi": late, "count.pl": unsizedScripts()["spool/count.pl"], "stream/count.cgi": late, "broken.cgi": "#!/no/such\n", "-source.cgi": "",
		"busy/count.cgi": late,
	})
	release := hold(t, s, "/busy/count.cgi")
	for _, c := range []struct {
		path, body string
		first      int
	}{
		{"/count.cgi", "Content-Length: 3\r\n\r\nabc", 100},
		{"/count.pl", "Content-Length: 3\r\n\r\nabc", 100},
		{"/count.cgi", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 100},
		{"/count.pl", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 100},
		{"/stream/count.cgi", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 100},
		{"/busy/count.cgi", "Content-Length: 3\r\n\r\nabc", 503},
		{"/busy/count.cgi", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 503},
		{"/broken.cgi", "Content-Length: 3\r\n\r\nabc", 502},
		{"/source.cgi", "Content-Length: 3\r\n\r\nabc", 403},
	} {
		head, body, _ := strings.Cut(c.body, "\r\n\r\n")
		conn, err := net.Dial("tcp", s.Addr)
		site.Must(t, err)
		site.Must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nExpect: 100-continue\r\n%s\r\n\r\n", c.path, head)
		in := bufio.NewReader(conn)
		r, err := http.ReadResponse(in, nil)
		site.Must(t, err)
		if r.StatusCode != c.first {
			t.Errorf("%s, %s: first %d, want %d", c.path, head, r.StatusCode, c.first)
		}
		if c.first == http.StatusContinue {
			io.WriteString(conn, body) // only now
			r, err = http.ReadResponse(in, nil)
			site.Must(t, err)
			if text, err := io.ReadAll(r.Body); err != nil || r.StatusCode != 200 || !strings.HasSuffix(strings.TrimSpace(string(text)), "3") {
				t.Errorf("%s, %s: then %d %q, %v", c.path, head, r.StatusCode, text, err)
			}
		}
		conn.Close()
	}
	release()
}

// hold occupies a script that waits for its body, until it is released.
func hold(t *testing.T, s *site.Site, path string) (release func()) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	site.Must(t, err)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", path)
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	site.Must(t, err)
	if r.StatusCode != http.StatusContinue {
		t.Fatalf("got %d", r.StatusCode)
	}
	return func() { conn.Close() }
}
