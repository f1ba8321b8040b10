package cgi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// show writes a response so that a test can compare it: kind, status and each
// field as {Name: value}.
func show(r *Response) string {
	text := fmt.Sprintf("%s %d", r.Kind, r.Status)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			text += fmt.Sprintf(" {%s: %s}", name, value)
		}
	}
	if r.Location != "" {
		text += " to " + r.Location
	}
	return text
}

// checkHeaders reads each header and what follows it, which must be "body".
func checkHeaders(t *testing.T, raw bool, cases map[string]string) {
	t.Helper()
	for header, want := range cases {
		r := bufio.NewReader(strings.NewReader(header + "body"))
		response, err := ReadHeader(r, raw)
		if err != nil {
			t.Errorf("%q: %v", header, err)
			continue
		}
		if got := show(response); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
		if body, _ := io.ReadAll(r); string(body) != "body" {
			t.Errorf("%q: body is %q", header, body)
		}
	}
}

func TestHeaderIsReadAsScriptsWriteIt(t *testing.T) {
	checkHeaders(t, false, map[string]string{
		"Content-Type: text/plain\n\n":                 "document 200 {Content-Type: text/plain}",
		"Content-Type: text/plain\r\n\r\n":             "document 200 {Content-Type: text/plain}",
		"content-TYPE:text/plain \t\nX-A:\r\n\n":       "document 200 {Content-Type: text/plain} {X-A: }",
		"X-A: one\n two\n\t three\n \nX-B: 2\n\n":      "document 200 {X-A: one two three} {X-B: 2}",
		"X-A:\n one\n\n":                               "document 200 {X-A: one}",
		"X-A: a:b=c; \"d\"\n\n":                        "document 200 {X-A: a:b=c; \"d\"}",
		"X-A: caf\u00e9 \xe9\tx\n\n":                   "document 200 {X-A: caf\u00e9 \xe9\tx}",
		"!#$%&'*+-.^_`|~09: 1\n\n":                     "document 200 {!#$%&'*+-.^_`|~09: 1}",
		"Set-Cookie: a=1\nX-A: 1\nset-cookie: b\n\n":   "document 200 {Set-Cookie: a=1} {Set-Cookie: b} {X-A: 1}",
		"Status: 404 Not Found\nX-A: 1\n\n":            "document 404 {X-A: 1}",
		"STATUS:599\n\n":                               "document 599",
		"Status: 404: Not Found\n\n":                   "document 404",
		"Status: 404Not Found\n\n":                     "document 404",
		"Content-Type: a/b\nContent-Type: c/d\n\n":     "document 200 {Content-Type: c/d}",
		"status: 200 \nContent-Length: 4\n\n":          "document 200 {Content-Length: 4}",
		"sTaTuS: 999 Odd\n\n":                          "document 999",
		"Status: 500\nStatus: 201\nX-A: 1\n\n":         "document 201 {X-A: 1}",
		"Content-Length: 9223372036854775807\n\n":      "document 200 {Content-Length: 9223372036854775807}",
		"X-A: 1\nConnection: close\nKeep-Alive: 5\n\n": "document 200 {X-A: 1}",
		"Proxy-Connection: x\nTE: x\nTrailer: x\nTransfer-Encoding: chunked\nUpgrade: x\n\n": "document 200",
	})
}

func TestLocationDecidesTheKindOfRedirect(t *testing.T) {
	checkHeaders(t, false, map[string]string{
		"Location: /other?q=1\n\n":                         "local redirect 0 {Location: /other?q=1} to /other?q=1",
		"location:/\r\n\r\n":                               "local redirect 0 {Location: /} to /",
		"Location: /other?q=1#there\n\n":                   "local redirect 0 {Location: /other?q=1#there} to /other?q=1",
		"Location: //host/path\n\n":                        "document 302 {Location: //host/path}",
		"Location: https://host/\n\n":                      "document 302 {Location: https://host/}",
		"Location: other\n\n":                              "document 302 {Location: other}",
		"Location: /a\nLocation: /b\n\n":                   "document 302 {Location: /b}",
		"Location: /other\nContent-Type: text/plain\n\n":   "document 302 {Content-Type: text/plain} {Location: /other}",
		"Status: 301\nLocation: /other\n\n":                "document 301 {Location: /other}",
		"Location: https://host/\nStatus: 201 Created\n\n": "document 201 {Location: https://host/}",
		"Location:\nContent-Type: text/plain\n\n":          "document 200 {Content-Type: text/plain} {Location: }",
	})
}

func TestRawHeaderBeginsWithAStatusLine(t *testing.T) {
	checkHeaders(t, true, map[string]string{
		"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n":        "document 200 {X-A: 1}",
		"HTTP/1.0 404\n\n":                         "document 404",
		"HTTP/1.0  204  No Content\n\n":            "document 204",
		"HTTP/1.1 302 Found\nLocation: /other\n\n": "document 302 {Location: /other}",
		"HTTP/1.1 103 Early Hints\nLink: </a>\n\n": "informational 103 {Link: </a>}",
	})
}

func TestInformationalResponsesComeBeforeTheHeader(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("Status: 103 Early Hints\nLink: </a>\n\nStatus: 100\n\nContent-Type: a/b\n\nbody"))
	for _, want := range []string{"informational 103 {Link: </a>}", "informational 100", "document 200 {Content-Type: a/b}"} {
		response, err := ReadHeader(r, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := show(response); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if body, _ := io.ReadAll(r); string(body) != "body" {
		t.Errorf("body is %q", body)
	}
}

func TestBadHeaderSaysWhatIsWrong(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		header string
		raw    bool
		want   string
	}{
		{"\n", false, "bad header from the script: it is empty"},
		{"\r\nX-A: 1\n\n", false, "bad header from the script: it is empty"},
		{"<html>\n\n", false, `not a header field: "<html>"`},
		{": 1\n\n", false, `not a header field: ": 1"`},
		{"X A: 1\n\n", false, `not a header field: "X A: 1"`},
		{"X-A : 1\n\n", false, `not a header field: "X-A : 1"`},
		{"X-\u00e9: 1\n\n", false, "not a header field"},
		{"X-A: 1\n\r\r\n\n", false, `not a header field: "\r"`},
		{long + "\n\n", false, fmt.Sprintf("not a header field: %q", long[:120]+"…")},
		{" X-A: 1\n\n", false, `its first line begins with a blank: " X-A: 1"`},
		{"X-A: a\x00b\n\n", false, `a control character: "X-A: a\x00b"`},
		{"X-A: a\rX-B: 1\n\n", false, "a control character"},
		{"X-A: a\r\r\n\n", false, "a control character"},
		{"X-A: \x7f\n\n", false, "a control character"},
		{"X-A: a\n b\x1b\n\n", false, "a control character"},
		{"Status: 99\n\n", false, `its status is not one: "Status: 99"`},
		{"Status: 099\n\n", false, "its status is not one"},
		{"Status: 1000\n\n", false, "its status is not one"},
		{"Status: OK\n\n", false, "its status is not one"},
		{"Status: +20\n\n", false, "its status is not one"},
		{"Status:\n\n", false, "its status is not one"},
		{"Status: 101 Switching Protocols\n\n", false, "its status is not one"},
		{"Content-Length: -1\n\n", false, `its length is not one: "Content-Length: -1"`},
		{"Content-Length: +1\n\n", false, "its length is not one"},
		{"Content-Length: 1_0\n\n", false, "its length is not one"},
		{"Content-Length:\n\n", false, "its length is not one"},
		{"Content-Length: 9223372036854775808\n\n", false, "its length is not one"},
		{"Content-Length: 4, 4\n\n", false, "its length is not one"},
		{"Content-Length: 4\n 4\n\n", false, "its length is not one"},
		{"Content-Length: 4\nContent-Length: 5\n\n", false, `its length is not one: "Content-Length: 4, 5"`},
		{"Content-Length: 4\nContent-Length: 4\n\n", false, "it has two lengths"},
		{"Content-Type: a/b\n\n", true, `the output of an nph- script begins with no HTTP status line: "Content-Type: a/b"`},
		{"http/1.1 200 OK\n\n", true, "begins with no HTTP status line"},
		{"HTTP/1.1\n\n", true, "its status is not one"},
		{"HTTP/1.1 101 Switching Protocols\n\n", true, "its status is not one"},
	} {
		_, err := ReadHeader(bufio.NewReader(strings.NewReader(c.header+"body")), c.raw)
		var bad *HeaderError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error is %v, want %s", c.header, err, c.want)
		}
	}
}

func TestOutputThatEndsEarlyHasNoHeader(t *testing.T) {
	for _, output := range []string{"", "X", "X-A: 1", "X-A: 1\n", "X-A: 1\r\n\r", "X-A: 1\n\t"} {
		for _, raw := range []bool{false, true} {
			_, err := ReadHeader(bufio.NewReader(strings.NewReader(output)), raw)
			if raw && strings.Contains(output, "\n") {
				continue // its first line is wrong already
			}
			if !errors.Is(err, ErrNoHeader) {
				t.Errorf("%q, raw %v: %v", output, raw, err)
			}
		}
	}
	broken := errors.New("broken")
	for _, raw := range []bool{false, true} {
		r := io.MultiReader(strings.NewReader("HTTP"), iotest.ErrReader(broken))
		if _, err := ReadHeader(bufio.NewReader(r), raw); !errors.Is(err, broken) {
			t.Errorf("raw %v: %v", raw, err)
		}
	}
}

func TestHeaderMayFillItsLimit(t *testing.T) {
	const head, tail = "X-A: ", "\n\n"
	for extra, wantErr := range []bool{false, true} {
		value := strings.Repeat("x", HeaderLimit-len(head+tail)+extra)
		many := strings.Repeat("X-A: 1\n", (HeaderLimit-1)/7+extra) + "\n"
		for what, header := range map[string]string{"one line": head + value + tail, "many lines": many} {
			response, err := ReadHeader(bufio.NewReader(iotest.HalfReader(strings.NewReader(header+"body"))), false)
			var bad *HeaderError
			if wantErr != errors.As(err, &bad) || wantErr && !strings.Contains(bad.Reason, "longer than 262144 bytes") {
				t.Errorf("%s of %d bytes: %v", what, len(header), err)
			}
			if err == nil && what == "one line" && response.Header.Get("X-A") != value {
				t.Errorf("%s: the value is not whole", what)
			}
		}
	}
}

// FuzzReadHeader looks for output that becomes a header which HTTP cannot carry.
func FuzzReadHeader(f *testing.F) {
	for _, seed := range []string{
		"Content-Type: text/plain\r\n\r\nbody",
		"Status: 404 Not Found\nX-A: 1\n folded\n\n",
		"Location: /other\n\n",
		"Location: //host\nSet-Cookie: a=1\nset-cookie: b=2\n\n",
		"Status: 103\nLink: </a>\n\nContent-Length: 4\n\nbody",
		"Transfer-Encoding: chunked\nContent-Length: 1\nContent-Length: 2\n\n",
		"X-A: a\rb\x00c\n\n",
	} {
		f.Add([]byte(seed), false)
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"), true)
	f.Fuzz(func(t *testing.T, output []byte, raw bool) {
		r, err := ReadHeader(bufio.NewReaderSize(strings.NewReader(string(output)), 16), raw)
		if err != nil {
			return
		}
		if isLocalRedirect := r.Kind == LocalRedirect; (r.Status < 100 || r.Status > 999) && !isLocalRedirect || isLocalRedirect && !isLocal(r.Location) {
			t.Errorf("%s", show(r))
		}
		for name, values := range r.Header {
			if !isToken(name) || strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
				t.Errorf("field %q: %q", name, values)
			}
		}
	})
}
