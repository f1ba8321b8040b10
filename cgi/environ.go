package cgi

import (
	"crypto/tls"
	"net"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Context is what a script is told about a request beside the request itself.
type Context struct {
	// Software is SERVER_SOFTWARE.
	Software string
	// RequestURI is REQUEST_URI: the request's target before any rewriting.
	RequestURI string
	// ClientAddr is REMOTE_ADDR where it is not the other end of the connection,
	// as behind a trusted proxy. Default: the host of the request's RemoteAddr.
	ClientAddr string
	// User is REMOTE_USER, if the server has authenticated one.
	User string
	// Length is CONTENT_LENGTH; see [Body]. Negative: there is no body.
	Length int64
	// OddNames lets header fields with "_" or "." in their names through, unless
	// there is one with "-" instead: they share a variable, so a client could
	// overwrite what a proxy has set. Set it where that has been filtered.
	OddNames bool
}

// Environ returns the meta-variables of a request as NAME=value: those of
// RFC 3875 section 4.1, and those that every server sets beside them.
func Environ(r *http.Request, s Script, c Context) []string {
	e := environ{ends: make([]int, 0, 32+len(r.Header))}
	e.text.Grow(1024)
	localHost, localPort := localAddr(r)
	host, port := serverName(r.Host, localHost, localPort)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}

	e.set("GATEWAY_INTERFACE", "CGI/1.1") // 4.1.4
	e.set("SERVER_SOFTWARE", c.Software)  // 4.1.17
	e.set("SERVER_PROTOCOL", r.Proto)     // 4.1.16
	e.set("SERVER_NAME", host)            // 4.1.14
	e.set("SERVER_PORT", port)            // 4.1.15
	e.set("REQUEST_METHOD", r.Method)     // 4.1.12
	e.set("QUERY_STRING", r.URL.RawQuery) // 4.1.7: defined though it may be empty
	e.set("SCRIPT_NAME", s.Name)          // 4.1.13
	e.setIf("PATH_INFO", s.PathInfo)      // 4.1.5
	if s.PathInfo != "" && s.Root != "" { // 4.1.6
		e.set("PATH_TRANSLATED", translate(s.Root, s.PathInfo))
	}
	e.setIf("CONTENT_TYPE", strings.Join(r.Header["Content-Type"], ", ")) // 4.1.3: of two neither is hidden
	if c.Length >= 0 {                                                    // 4.1.2
		e.set("CONTENT_LENGTH", strconv.FormatInt(c.Length, 10))
	}
	e.client(r, c)

	// Not in the RFC, and set by Apache, nginx and Caddy's FastCGI alike.
	e.set("REQUEST_URI", c.RequestURI)
	e.set("REQUEST_SCHEME", scheme)
	e.setIf("DOCUMENT_ROOT", s.Root)
	e.set("DOCUMENT_URI", s.Name)
	e.set("SCRIPT_FILENAME", s.File)
	e.setIf("SERVER_ADDR", localHost)
	e.tls(r.TLS)
	e.headers(r, c)
	return e.list()
}

// environ is a list under construction: all variables behind each other, so that they
// are one piece of memory, and where each ends.
type environ struct {
	text strings.Builder
	ends []int
}

func (e *environ) set(name, value string) {
	e.text.WriteString(name)
	e.text.WriteByte('=')
	e.text.WriteString(value)
	e.ends = append(e.ends, e.text.Len())
}

func (e *environ) list() []string {
	all, begin := e.text.String(), 0
	list := make([]string, 0, cap(e.ends))
	for _, end := range e.ends {
		list = append(list, all[begin:end])
		begin = end
	}
	return list
}

// setIf is for variables that are not defined where they would be empty.
func (e *environ) setIf(name, value string) {
	if value != "" {
		e.set(name, value)
	}
}

// client sets who asks.
func (e *environ) client(r *http.Request, c Context) {
	addr, port := splitHostPort(r.RemoteAddr)
	if c.ClientAddr != "" && c.ClientAddr != addr {
		addr, port = c.ClientAddr, "" // the port is the proxy's
	}
	e.set("REMOTE_ADDR", addr) // 4.1.8
	e.set("REMOTE_HOST", addr) // 4.1.9: the address, where no name was looked up
	e.setIf("REMOTE_PORT", port)
	if c.User != "" {
		e.set("REMOTE_USER", c.User) // 4.1.11
		if scheme, _, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
			e.set("AUTH_TYPE", scheme) // 4.1.1
		}
	}
}

// tls sets what mod_ssl has made customary.
func (e *environ) tls(state *tls.ConnectionState) {
	if state == nil {
		return
	}
	e.set("HTTPS", "on")
	e.set("SSL_PROTOCOL", strings.ReplaceAll(tls.VersionName(state.Version), "TLS 1.", "TLSv1."))
	e.set("SSL_CIPHER", tls.CipherSuiteName(state.CipherSuite))
	e.setIf("SSL_TLS_SNI", state.ServerName)
	e.certificate(state)
}

// headers sets a variable for each header field: section 4.1.18.
func (e *environ) headers(r *http.Request, c Context) {
	e.setIf("HTTP_HOST", r.Host) // net/http has taken it out of the header
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		if !withheld(name, r.Header, c) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if c.OddNames {
		names = firstOfEach(names)
	}
	for _, name := range names {
		separator := ", "
		if name == "Cookie" {
			separator = "; " // RFC 9113 section 8.2.3
		}
		e.set("HTTP_"+variable(name), strings.Join(r.Header[name], separator))
	}
}

// firstOfEach leaves one name for each variable, as of X.A and X_A.
func firstOfEach(names []string) []string {
	var seen map[string]bool // nil while all names are plain
	return slices.DeleteFunc(names, func(name string) bool {
		if strings.Map(plainRune, name) == name { // the others are withheld then
			return false
		}
		if seen == nil {
			seen = map[string]bool{}
		}
		v := variable(name)
		twice := seen[v]
		seen[v] = true
		return twice
	})
}

// withheld reports whether a header field is kept from scripts.
func withheld(name string, header http.Header, c Context) bool {
	plain := strings.Map(plainRune, name)
	switch http.CanonicalHeaderKey(plain) {
	case "Proxy":
		return true // HTTP_PROXY configures HTTP clients: httpoxy, CVE-2016-5385
	case "Content-Type", "Content-Length":
		return true // have variables of their own
	case "Host":
		return true // set from what the request was routed by
	case "Transfer-Encoding", "Connection":
		return true // of a hop that the script is not part of
	case "Authorization", "Proxy-Authorization":
		return c.User != "" // the server has used it: section 4.1.18, 9.2
	}
	if plain == name {
		return false
	}
	_, twice := header[http.CanonicalHeaderKey(plain)]
	return !c.OddNames || twice || strings.ContainsFunc(name, func(r rune) bool { return r != '_' && r != '.' && plainRune(r) != r })
}

// plainRune returns what stands in a variable's name for one and the same
// character as r does: "-" for all that is no letter or digit.
func plainRune(r rune) rune {
	if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
		return r
	}
	return '-'
}

// variable turns the name of a header field into that of a variable.
func variable(name string) string {
	return strings.ToUpper(strings.ReplaceAll(strings.Map(plainRune, name), "-", "_"))
}

// localAddr returns where the request was received.
func localAddr(r *http.Request) (host, port string) {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return "", ""
	}
	if host, port = splitHostPort(addr.String()); net.ParseIP(host) == nil {
		return "", "" // a Unix socket has neither
	}
	return host, port
}

// serverName returns SERVER_NAME and the port that the client has named, or
// where it came in if it has named no host. An address of IPv6 has brackets.
func serverName(named, localHost, localPort string) (host, port string) {
	host, port = splitHostPort(strings.ToLower(named))
	host = strings.TrimSuffix(host, ".") // one name, however it is written
	if named == "" {
		host, port = localHost, localPort
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host, port
}

// splitHostPort is net.SplitHostPort for what may have no port; brackets of an
// IPv6 address are taken off.
func splitHostPort(s string) (host, port string) {
	if host, port, err := net.SplitHostPort(s); err == nil {
		return host, port
	}
	return strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), ""
}

// translate returns the file that PATH_INFO would mean by itself. A slash at its
// end stays.
func translate(root, pathInfo string) string {
	clean := path.Clean("/" + pathInfo)
	if strings.HasSuffix(pathInfo, "/") && clean != "/" {
		clean += "/"
	}
	return strings.TrimSuffix(root, "/") + filepath.FromSlash(clean)
}
