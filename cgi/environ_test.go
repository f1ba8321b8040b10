package cgi

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// A query is what Environ is asked.
type query struct {
	r *http.Request
	s Script
	c Context
}

// newQuery returns one for a tree under a stripped prefix.
func newQuery() *query {
	r := httptest.NewRequest("POST", "/cgi/a.cgi/x%2Fy/z?q=1&r=%20", nil)
	r.Host = "example.com"
	r.RemoteAddr = "192.0.2.1:1234"
	return &query{
		r: r,
		s: Script{File: "/srv/a.cgi", Name: "/cgi/a.cgi", PathInfo: "/x/y/z", Root: "/srv"},
		c: Context{Software: "Caddy", RequestURI: r.RequestURI, Length: 5},
	}
}

// variables returns what Environ answers. No variable may appear twice: of two,
// some programs take the first and some the last.
func (q *query) variables(t *testing.T) map[string]string {
	t.Helper()
	list := Environ(q.r, q.s, q.c)
	env := make(map[string]string, len(list))
	for _, entry := range list {
		name, value, ok := strings.Cut(entry, "=")
		if _, twice := env[name]; twice || !ok || name == "" {
			t.Errorf("%q is there twice, or is no variable", entry)
		}
		env[name] = value
	}
	return env
}

func TestEnvironIsTheRequestAndNothingElse(t *testing.T) {
	q := newQuery()
	q.r.Header = http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"5"}, "X-One": {"1"}}
	want := map[string]string{
		"CONTENT_LENGTH":    "5",
		"CONTENT_TYPE":      "text/plain",
		"DOCUMENT_ROOT":     "/srv",
		"DOCUMENT_URI":      "/cgi/a.cgi",
		"GATEWAY_INTERFACE": "CGI/1.1",
		"HTTP_HOST":         "example.com",
		"HTTP_X_ONE":        "1",
		"PATH_INFO":         "/x/y/z",
		"PATH_TRANSLATED":   "/srv/x/y/z",
		"QUERY_STRING":      "q=1&r=%20",
		"REMOTE_ADDR":       "192.0.2.1",
		"REMOTE_HOST":       "192.0.2.1",
		"REMOTE_PORT":       "1234",
		"REQUEST_METHOD":    "POST",
		"REQUEST_SCHEME":    "http",
		"REQUEST_URI":       "/cgi/a.cgi/x%2Fy/z?q=1&r=%20",
		"SCRIPT_FILENAME":   "/srv/a.cgi",
		"SCRIPT_NAME":       "/cgi/a.cgi",
		"SERVER_NAME":       "example.com",
		"SERVER_PORT":       "80",
		"SERVER_PROTOCOL":   "HTTP/1.1",
		"SERVER_SOFTWARE":   "Caddy",
	}
	if got := q.variables(t); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// An environCase changes a query and says what then holds: "NAME=value", or
// "NAME" for a variable that must be absent.
type environCase struct {
	what   string
	change func(q *query)
	want   []string
}

func checkEnviron(t *testing.T, cases []environCase) {
	t.Helper()
	for _, c := range cases {
		q := newQuery()
		c.change(q)
		env := q.variables(t)
		for _, want := range c.want {
			name, value, isSet := strings.Cut(want, "=")
			if got, ok := env[name]; got != value || ok != isSet {
				t.Errorf("%s: %s is %q, set %v; want %s", c.what, name, got, ok, want)
			}
		}
	}
}

func TestEnvironLeavesOutWhatIsNotThere(t *testing.T) {
	checkEnviron(t, []environCase{
		{"no query", func(q *query) { q.r.URL.RawQuery = "" }, []string{"QUERY_STRING="}},
		{"no path info", func(q *query) { q.s.PathInfo = "" }, []string{"PATH_INFO", "PATH_TRANSLATED"}},
		{"no root", func(q *query) { q.s.Root = "" }, []string{"PATH_INFO=/x/y/z", "PATH_TRANSLATED", "DOCUMENT_ROOT"}},
		{"no body", func(q *query) { q.c.Length = -1 }, []string{"CONTENT_LENGTH", "CONTENT_TYPE"}},
		{"empty body", func(q *query) { q.c.Length = 0 }, []string{"CONTENT_LENGTH=0"}},
		{"single script", func(q *query) { q.s.Name = "" }, []string{"SCRIPT_NAME="}},
		{"no host", func(q *query) { q.r.Host = "" }, []string{"HTTP_HOST"}},
		{"no TLS", func(*query) {}, []string{"HTTPS", "SSL_PROTOCOL", "SSL_CIPHER", "SSL_TLS_SNI", "SSL_CLIENT_VERIFY"}},
		{"no user", func(*query) {}, []string{"REMOTE_USER", "AUTH_TYPE", "SERVER_ADDR"}},
	})
}

func TestEnvironSaysWhoTalksToWhom(t *testing.T) {
	local := func(addr net.Addr) func(q *query) {
		return func(q *query) {
			q.r = q.r.WithContext(context.WithValue(q.r.Context(), http.LocalAddrContextKey, addr))
		}
	}
	checkEnviron(t, []environCase{
		{"port in host", func(q *query) { q.r.Host = "a.example:8080" }, []string{"SERVER_NAME=a.example", "SERVER_PORT=8080", "HTTP_HOST=a.example:8080"}},
		{"IPv6 host and port", func(q *query) { q.r.Host = "[::1]:8080" }, []string{"SERVER_PORT=8080", "HTTP_HOST=[::1]:8080"}},
		{"IPv6 host", func(q *query) { q.r.Host = "[::1]" }, []string{"SERVER_PORT=80", "HTTP_HOST=[::1]"}},
		{"IPv6 client", func(q *query) { q.r.RemoteAddr = "[2001:db8::1]:5" }, []string{"REMOTE_ADDR=2001:db8::1", "REMOTE_HOST=2001:db8::1", "REMOTE_PORT=5"}},
		{"Unix socket", func(q *query) { q.r.RemoteAddr = "@" }, []string{"REMOTE_PORT"}},
		{"client behind a proxy", func(q *query) { q.c.ClientAddr = "198.51.100.9" }, []string{"REMOTE_ADDR=198.51.100.9", "REMOTE_HOST=198.51.100.9", "REMOTE_PORT"}},
		{"client at the other end", func(q *query) { q.c.ClientAddr = "192.0.2.1" }, []string{"REMOTE_ADDR=192.0.2.1", "REMOTE_PORT=1234"}},
		{"TCP listener", local(&net.TCPAddr{IP: net.IPv6loopback, Port: 80}), []string{"SERVER_ADDR=::1"}},
		{"Unix listener", local(&net.UnixAddr{Name: "/run/s", Net: "unix"}), []string{"SERVER_ADDR"}},
	})
}

func TestEnvironTellsOfTLS(t *testing.T) {
	over := func(state tls.ConnectionState) func(q *query) { return func(q *query) { q.r.TLS = &state } }
	checkEnviron(t, []environCase{
		{
			"TLS 1.3", over(tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, ServerName: "a.example"}),
			[]string{"HTTPS=on", "REQUEST_SCHEME=https", "SERVER_PORT=443", "SSL_PROTOCOL=TLSv1.3", "SSL_CIPHER=TLS_AES_128_GCM_SHA256", "SSL_TLS_SNI=a.example"},
		},
		{"TLS 1.2, no name", over(tls.ConnectionState{Version: tls.VersionTLS12}), []string{"SSL_PROTOCOL=TLSv1.2", "SSL_TLS_SNI", "SSL_CLIENT_VERIFY=NONE", "SSL_CLIENT_CERT"}},
		{"other port", func(q *query) { q.r.TLS, q.r.Host = &tls.ConnectionState{}, "a:8443" }, []string{"SERVER_PORT=8443"}},
	})
}

func TestEnvironWithholdsWhatIsNotForScripts(t *testing.T) {
	with := func(header ...string) func(q *query) {
		return func(q *query) {
			for field := range slices.Chunk(header, 2) {
				q.r.Header[field[0]] = append(q.r.Header[field[0]], field[1])
			}
		}
	}
	odd := with("X_User", "evil", "X.User", "evil")
	basic := with("Authorization", "Basic Zm9v", "Proxy-Authorization", "Basic YmFy")
	checkEnviron(t, []environCase{
		{"httpoxy", with("Proxy", "http://evil", "proxy", "http://evil"), []string{"HTTP_PROXY"}},
		{"length and type", with("Content-Type", "a/b", "Content-Length", "5"), []string{"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "CONTENT_TYPE=a/b"}},
		{"hop by hop", with("Connection", "x", "Transfer-Encoding", "chunked"), []string{"HTTP_CONNECTION", "HTTP_TRANSFER_ENCODING"}},
		{"two types", with("Content-Type", "a/b", "Content-Type", "c/d"), []string{"HTTP_CONTENT_TYPE", "CONTENT_TYPE=a/b, c/d"}},
		{"another host", with("Host", "evil.example"), []string{"HTTP_HOST=example.com"}},
		{"cookies", with("Cookie", "a=1", "Cookie", "b=2"), []string{"HTTP_COOKIE=a=1; b=2"}},
		{"repeated field", with("Accept", "a/b", "Accept", "c/d"), []string{"HTTP_ACCEPT=a/b, c/d"}},
		{"digits and case", with("X-2-dNs", "1"), []string{"HTTP_X_2_DNS=1"}},
		{"odd names", odd, []string{"HTTP_X_USER"}},
		{"odd names beside a good one", func(q *query) { odd(q); with("X-User", "me")(q) }, []string{"HTTP_X_USER=me"}},
		{"odd name that is allowed", func(q *query) { with("X_User", "me")(q); q.c.OddNames = true }, []string{"HTTP_X_USER=me"}},
		{"odd names of one variable", func(q *query) { odd(q); q.c.OddNames = true }, []string{"HTTP_X_USER=evil"}},
		{"length and type by odd names", func(q *query) {
			with("Content_Length", "5", "Content.Type", "a/b", "Transfer_Encoding", "chunked")(q)
			q.c.OddNames = true
		}, []string{"HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING"}},
		{"the script's own password", basic, []string{"HTTP_AUTHORIZATION=Basic Zm9v", "HTTP_PROXY_AUTHORIZATION=Basic YmFy", "AUTH_TYPE", "REMOTE_USER"}},
		{"the server's password", func(q *query) { basic(q); q.c.User = "me" }, []string{"HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION", "AUTH_TYPE=Basic", "REMOTE_USER=me"}},
		{"user by other means", func(q *query) { q.c.User = "me" }, []string{"REMOTE_USER=me", "AUTH_TYPE"}},
	})
}
