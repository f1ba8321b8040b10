package cgi

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// ErrMethod says that a method is not one that a script can answer.
var ErrMethod = errors.New("a method that is not for scripts: TRACE, CONNECT, or none that HTTP has")

// A BadHostError says that the host that a client has named is none.
type BadHostError struct{ Host string }

func (e *BadHostError) Error() string {
	return "illegal host " + strconv.Quote(e.Host) + ": it must be a name or an address, and may have a port"
}

// Check reports why a request may not be given to any script. TRACE would show to a page
// the fields that browsers keep from it, and what follows a response to CONNECT is no
// HTTP (RFC 9110 sections 9.3.6 and 9.3.8). Over HTTP/2 and HTTP/3 net/http lets methods
// through that are no tokens, such as `$(id)`. A host becomes SERVER_NAME and SERVER_PORT,
// which are a name or an address and a number (RFC 3875 sections 4.1.14 and 4.1.15):
// scripts put them into commands and pages.
//
// Errors: [ErrMethod], *[BadHostError].
func Check(r *http.Request) error {
	if r.Method == http.MethodTrace || r.Method == http.MethodConnect || strings.ContainsFunc(r.Method, isNoTokenRune) {
		return ErrMethod
	}
	if !isHost(r.Host) {
		return &BadHostError{r.Host}
	}
	return nil
}

// isNoTokenRune reports whether a character cannot be in a token: RFC 9110 section 5.6.2.
func isNoTokenRune(r rune) bool {
	return plainRune(r) != r && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// isHost reports whether a client may name this host, or none.
func isHost(named string) bool {
	name, port := named, ""
	if end := strings.LastIndexByte(named, ':'); end >= 0 && !strings.HasSuffix(named, "]") {
		name, port = named[:end], named[end+1:]
	}
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return false
	}
	if address, ok := strings.CutPrefix(name, "["); ok {
		address, ok = strings.CutSuffix(address, "]")
		ip, err := netip.ParseAddr(address)
		return ok && err == nil && ip.Is6() && ip.Zone() == ""
	}
	if name == "" {
		return port == "" && named == ""
	}
	return !strings.ContainsFunc(name, isNoHostRune) && name[0] != '.' && !strings.Contains(name, "..")
}

// isNoHostRune reports whether a character cannot be in a name of a host. One with "_" is
// none by RFC 1123, but there are such.
func isNoHostRune(r rune) bool {
	return plainRune(r) != r && r != '-' && r != '.' && r != '_'
}
