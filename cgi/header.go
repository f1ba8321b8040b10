package cgi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// HeaderLimit is how long the header that a script writes may be, in bytes.
const HeaderLimit = 256 << 10

// blanks are what HTTP takes for white space within a line: RFC 9110 section 5.6.3.
const blanks = " \t"

// ErrNoHeader says that a script's output ended before its header did.
var ErrNoHeader = errors.New("the script ended before its header was complete")

// A HeaderError says what is wrong with the header that a script has written.
type HeaderError struct {
	Reason string
	Line   string // the line in question, shortened; may be empty
}

func (e *HeaderError) Error() string {
	if e.Line == "" {
		return "bad header from the script: " + e.Reason
	}
	return fmt.Sprintf("bad header from the script: %s: %q", e.Reason, e.Line)
}

// A ResponseKind is one of the forms that a script's response can have:
// RFC 3875 section 6.2.
type ResponseKind string

const (
	// Document has a body, or none: section 6.2.1. Redirects to the client,
	// sections 6.2.3 and 6.2.4, are documents with a Location and a status.
	Document ResponseKind = "document"
	// LocalRedirect asks the server to answer as for another path: 6.2.2.
	LocalRedirect ResponseKind = "local redirect"
	// Informational comes before the response itself: RFC 9110 section 15.2.
	Informational ResponseKind = "informational"
)

// A Response is the header of a script's response.
type Response struct {
	Kind     ResponseKind
	Status   int         // HTTP status code
	Header   http.Header // for the client; without Status and connection fields
	Location string      // of a local redirect: path and query
	Chunked  bool        // the body is in chunks; only if the header was raw
}

// connectionFields concern the connection to the client, which is the server's:
// section 6.3.4.
var connectionFields = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// ReadHeader reads the header of a response, up to and with the empty line. Lines
// may end in LF alone, and may be continued by one that begins with a blank.
//
// raw is for scripts that write a whole HTTP response (NPH, section 5): there
// the first line is a status line.
//
// Errors: [ErrNoHeader], *[HeaderError], or that of r.
func ReadHeader(r *bufio.Reader, raw bool) (*Response, error) {
	h := headerReader{r: r, left: HeaderLimit}
	response := &Response{Kind: Document, Header: http.Header{}}
	if raw {
		line, err := h.line()
		if err != nil {
			return nil, err
		}
		if response.Status, err = statusLine(line); err != nil {
			return nil, err
		}
	}
	fields, err := h.fields(response.Header)
	if err != nil {
		return nil, err
	}
	if fields == 0 && !raw {
		return nil, &HeaderError{Reason: "it is empty"}
	}
	response.Chunked = raw && strings.EqualFold(response.Header.Get("Transfer-Encoding"), "chunked")
	if err := response.interpret(fields); err != nil {
		return nil, err
	}
	return response, nil
}

// interpret finds out what kind of response it is.
func (r *Response) interpret(fields int) error {
	if status, ok := r.Header["Status"]; ok {
		var err error
		if r.Status, err = parseStatus(status[len(status)-1]); err != nil {
			return err
		}
		delete(r.Header, "Status")
	}
	if err := checkLength(r.Header["Content-Length"]); err != nil {
		return err
	}
	trailer := r.Header["Trailer"]
	for _, field := range connectionFields {
		delete(r.Header, field)
	}
	if r.Chunked { // it has no other length, and may have a trailer: RFC 9112 section 6.3
		delete(r.Header, "Content-Length")
		if trailer != nil {
			r.Header["Trailer"] = trailer
		}
	}
	for _, field := range []string{"Content-Type", "Location"} {
		if values := r.Header[field]; len(values) > 1 {
			r.Header[field] = values[len(values)-1:] // there can be one, and the last word counts
		}
	}
	location := r.Header.Get("Location")
	switch {
	case r.Status == 0 && fields == 1 && isLocal(location):
		r.Kind = LocalRedirect
		r.Location, _, _ = strings.Cut(location, "#") // scripts name an anchor, which only clients know
	case r.Status == 0 && location != "":
		r.Status = http.StatusFound // 6.2.3
	case r.Status == 0:
		r.Status = http.StatusOK // 6.3.3
	case r.Status < 200:
		r.Kind = Informational
	}
	return nil
}

// isLocal reports whether a Location is a path on this server. Two slashes at
// its front would name another.
func isLocal(location string) bool {
	return strings.HasPrefix(location, "/") && !strings.HasPrefix(location, "//")
}

// parseStatus reads the value of a Status field: three digits, and a reason
// phrase that HTTP has no more use for. Nobody but the RFC wants a blank between
// them: scripts that write "404: Not Found" have always been understood.
func parseStatus(value string) (int, error) {
	digits := value
	if end := strings.IndexFunc(value, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = value[:end]
	}
	code, err := strconv.Atoi(digits)
	if err != nil || len(digits) != 3 || code < 100 || code == http.StatusSwitchingProtocols {
		return 0, &HeaderError{"its status is not one", shorten("Status: " + value)}
	}
	return code, nil
}

// statusLine reads the first line of a whole HTTP response.
func statusLine(line string) (int, error) {
	version, status, _ := strings.Cut(line, " ")
	if !strings.HasPrefix(version, "HTTP/") {
		return 0, &HeaderError{"the output of an nph- script begins with no HTTP status line", shorten(line)}
	}
	return parseStatus(strings.TrimLeft(status, " "))
}

// checkLength refuses what client and server could understand differently.
func checkLength(values []string) error {
	for _, v := range values {
		if _, err := strconv.ParseUint(v, 10, 63); err != nil || v != values[0] {
			return &HeaderError{"its length is not one", shorten("Content-Length: " + strings.Join(values, ", "))}
		}
	}
	if len(values) > 1 {
		return &HeaderError{"it has two lengths", ""}
	}
	return nil
}

// A headerReader reads lines within a limit.
type headerReader struct {
	r    *bufio.Reader
	left int
}

// line returns the next line without its end. Output that ends within a line has
// no header.
func (h *headerReader) line() (string, error) {
	var line []byte
	for {
		part, err := h.r.ReadSlice('\n')
		if h.left -= len(part); h.left < 0 {
			return "", &HeaderError{Reason: fmt.Sprintf("it is longer than %d bytes", HeaderLimit)}
		}
		line = append(line, part...)
		switch {
		case err == nil:
			line = line[:len(line)-1]
			if n := len(line); n > 0 && line[n-1] == '\r' {
				line = line[:n-1]
			}
			return string(line), nil
		case errors.Is(err, io.EOF):
			return "", ErrNoHeader
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// fields reads lines up to the empty one into header and returns how many fields
// there were.
func (h *headerReader) fields(header http.Header) (int, error) {
	count, last := 0, ""
	for {
		line, err := h.line()
		if err != nil || line == "" {
			return count, err
		}
		if line[0] == ' ' || line[0] == '\t' {
			if last == "" {
				return 0, &HeaderError{"its first line begins with a blank", shorten(line)}
			}
			values := header[last]
			values[len(values)-1] = strings.Trim(values[len(values)-1]+" "+strings.Trim(line, blanks), blanks)
			if hasControl(line) {
				return 0, &HeaderError{"a control character", shorten(line)}
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return 0, &HeaderError{"not a header field", shorten(line)}
		}
		if hasControl(value) {
			return 0, &HeaderError{"a control character", shorten(line)}
		}
		last = http.CanonicalHeaderKey(name)
		header[last] = append(header[last], strings.Trim(value, blanks))
		count++
	}
}

// isToken reports whether s can be a field's name: RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		isAlphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !isAlphanumeric && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// hasControl reports whether s has a character that must not be in a field's
// value: RFC 9110 section 5.5.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// shorten makes a line fit for an error message.
func shorten(line string) string {
	const limit = 120
	if len(line) > limit {
		return line[:limit] + "…"
	}
	return line
}
