package e2e

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// volume is how large the bodies of TestBodiesOfAnySizeTakeConstantMemory are. For the
// promised 10 GiB: go test ./tests/e2e -run AnySize -timeout 0 -v -args -volume 10737418240.
var volume = flag.Int64("volume", 128<<20, "bytes of each large body")

// mostMemory is by how much Caddy's memory may grow for a body of any size.
const mostMemory = 32 << 20

func TestBodiesOfAnySizeTakeConstantMemory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a while")
	}
	s := site.Prepare(t, "prefork_cgi /stream* {\n request_body stream\n}\nprefork_cgi {\n spool_limit off\n}", map[string]string{
		"up.cgi":        site.Shell("wc -c"),
		"stream-up.cgi": site.Shell("wc -c"),
		"up.pl":         "#!/usr/bin/perl\nmy $n = 0; while (my $r = sysread STDIN, my $b, 65536) { $n += $r }\nprint \"Content-Type: text/plain\\n\\n$n\\n\";\n",
		"down.cgi":      site.Shell(`head -c "$QUERY_STRING" /dev/zero`),
		"sized.pl": "#!/usr/bin/perl\n$| = 1;\nmy ($n, $b) = ($ENV{QUERY_STRING}, 'x' x 65536);\nprint \"Content-Type: text/plain\\nContent-Length: $n\\n\\n\";\n" +
			"while ($n > 0) { $n -= syswrite STDOUT, $b, $n < 65536 ? $n : 65536 or exit 1 }\n",
	})
	s.Level = "INFO"
	s.Start()
	for _, path := range []string{"up.cgi", "up.pl", "stream-up.cgi chunked", "up.cgi chunked", "down.cgi", "sized.pl"} {
		t.Run(path, func(t *testing.T) {
			carry(t, s, path, 8<<20) // so that what every request needs is there
			before := memory(s, "VmRSS")
			site.Must(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.Cmd.Process.Pid), []byte("5"), 0)) // VmHWM begins anew
			carry(t, s, path, *volume)
			growth := memory(s, "VmHWM") - before
			t.Logf("%d MiB: memory has grown by %d KiB", *volume>>20, growth>>10)
			if growth > mostMemory {
				t.Errorf("memory has grown by %d bytes, more than %d", growth, mostMemory)
			}
		})
	}
}

// carry has a body of n bytes go up, to a script that counts it, or down.
func carry(t *testing.T, s *site.Site, path string, n int64) {
	t.Helper()
	script, chunked, _ := strings.Cut(path, " ")
	url := "http://" + s.Addr + "/" + script
	if !strings.Contains(script, "up.") {
		resp, err := http.Get(url + "?" + strconv.FormatInt(n, 10))
		site.Must(t, err)
		defer resp.Body.Close()
		if got, err := io.Copy(io.Discard, resp.Body); err != nil || got != n {
			t.Errorf("%d bytes have come, %v", got, err)
		}
		return
	}
	request, err := http.NewRequest(http.MethodPost, url, io.NopCloser(io.LimitReader(zeros{}, n)))
	site.Must(t, err)
	if request.ContentLength = n; chunked != "" {
		request.ContentLength = -1
	}
	resp, err := http.DefaultClient.Do(request)
	site.Must(t, err)
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != fmt.Sprintln(n) {
		t.Errorf("the script has read %q, %v", got, err)
	}
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// What is longer than execve takes is a clear answer where a script is cold, and nothing
// special where it is warm.
func TestHeadersOfAnySize(t *testing.T) {
	t.Parallel()
	warm := "#!/usr/bin/perl\nprint \"Content-Type: text/plain\\n\\n\";\n" +
		`my $n = grep /^HTTP_X/, keys %ENV; printf "%d %d", length $ENV{HTTP_X0}, $n;`
	s := site.Prepare(t, "global servers {\n\tmax_header_size 64MB\n}\n\nlog_skip\nhandle_errors {\n respond \"{err.status_code} {err.message}\"\n}\n"+
		"prefork_cgi /cold.pl {\n warm off\n}\nprefork_cgi /v1.pl {\n library installed\n}\nprefork_cgi", map[string]string{
		"warm.pl": warm, "cold.pl": warm,
		"v1.pl": site.Perl(`my $n = grep /^HTTP_X/, keys %ENV; printf "%d %d", length $ENV{HTTP_X0}, $n;`),
	})
	s.Level = "ERROR" // the headers would be in the log
	s.Start()
	longest := 32*os.Getpagesize() - 1 - len("HTTP_X0=") // MAX_ARG_STRLEN is 32 pages with the NUL at the end
	for name, c := range map[string]struct {
		fields, length int
		cold, warm     int
	}{
		"one of the longest":      {1, longest, 200, 200},
		"one that is too long":    {1, longest + 1, 431, 200},
		"a thousand":              {1000, 100, 200, 200},
		"more than fit together":  {4000, 600, 431, 200},
		"more than anybody takes": {4000, 4200, 431, 431},
		"too many":                {4097, 1, 431, 431},
	} {
		var head strings.Builder
		for i := range c.fields {
			fmt.Fprintf(&head, "X%d: %s\r\n", i, strings.Repeat("y", c.length))
		}
		for script, status := range map[string]int{"cold.pl": c.cold, "warm.pl": c.warm, "v1.pl": c.warm} {
			r, body := raw(t, s, "GET /"+script+" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"+head.String()+"\r\n", false)
			want := fmt.Sprintf("%d %d", c.length, c.fields)
			if status == http.StatusRequestHeaderFieldsTooLarge {
				want = "431 "
			}
			if r.StatusCode != status || !strings.HasPrefix(body, want) {
				t.Errorf("%s, %s: %d %.200q", script, name, r.StatusCode, body)
			}
			if status == http.StatusRequestHeaderFieldsTooLarge && !strings.Contains(body, "too long") {
				t.Errorf("%s, %s: the message is %.200q", script, name, body)
			}
		}
	}
	for _, script := range []string{"/cold.pl", "/warm.pl", "/v1.pl"} { // and nobody else has noticed
		s.Want(s.Get(script, func(r *http.Request) { r.Header.Set("X0", "1234") }), 200, "4 1")
	}
}
