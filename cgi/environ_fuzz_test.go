package cgi

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// FuzzEnviron looks for a request that HTTP can carry and that becomes an
// environment which is ambiguous or says what only the server may say.
func FuzzEnviron(f *testing.F) {
	for _, seed := range []string{
		"GET /a.cgi/x?y=z HTTP/1.1\r\nHost: example.org:81\r\n\r\n",
		"POST http://other/a.cgi HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 1\r\nContent-Type: a/b\r\n\r\nx",
		"GET / HTTP/1.0\r\nX-A: 1\r\nX_A: 2\r\nX.A: 3\r\nx-a: 4\r\nProxy: p\r\nAuthorization: Basic eA==\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost:\r\nCookie: a\r\nCookie: b\r\nContent_Length: 9\r\n\r\n",
		"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nX~A: 1\r\nProxy_: 2\r\n\r\n",
	} {
		f.Add(seed, "/a.cgi", "/x", true, "")
		f.Add(seed, "/a.cgi", "", false, "user")
	}
	f.Fuzz(func(t *testing.T, text, name, info string, odd bool, user string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		r.RemoteAddr = "192.0.2.1:999"
		s := Script{Root: "/srv", File: "/srv/a.cgi", Name: name, PathInfo: info}
		seen := map[string]string{}
		for _, entry := range Environ(r, s, Context{RequestURI: r.RequestURI, User: user, Length: -1, OddNames: odd}) {
			variable, value, ok := strings.Cut(entry, "=")
			if earlier, twice := seen[variable]; twice || !ok || strings.Trim(variable, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
				t.Errorf("%q; before it %q", entry, earlier)
			}
			seen[variable] = value
		}
		for _, variable := range []string{"HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING"} {
			if value, set := seen[variable]; set {
				t.Errorf("%s is set: %q", variable, value)
			}
		}
		if seen["SCRIPT_NAME"] != name || seen["REMOTE_ADDR"] != "192.0.2.1" || seen["SCRIPT_FILENAME"] != s.File {
			t.Errorf("the request has changed what is the server's: %v", seen)
		}
	})
}
