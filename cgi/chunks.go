package cgi

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Chunks takes the chunked coding (RFC 9112 section 7.1) from a body that a script has
// written so, as one that writes a whole HTTP response may. The zero value is ready.
type Chunks struct {
	// Trailer has the fields that came after the last chunk.
	Trailer http.Header

	expects lineKind
	left    int64  // of the chunk's bytes
	line    []byte // the beginning of one whose end has not come
}

// A lineKind says what the next line of a chunked body is.
type lineKind int

const (
	chunkSize lineKind = iota
	chunkEnd           // the empty one behind a chunk's bytes
	trailerField
	nothing // the body is over
)

// chunkLineLimit is how long a line between chunks, or of the trailer, may be.
const chunkLineLimit = 8 << 10

// Decode returns what p, the next bytes of the coded body, has of the body itself. It is in
// p's place. What comes behind the end is dropped. The error is a *[HeaderError].
func (c *Chunks) Decode(p []byte) ([]byte, error) {
	body := p[:0]
	for len(p) > 0 && c.expects != nothing {
		if c.left > 0 {
			n := min(int64(len(p)), c.left)
			body = append(body, p[:n]...)
			p, c.left = p[n:], c.left-n
			continue
		}
		part, rest, ended := bytes.Cut(p, []byte{'\n'})
		c.line, p = append(c.line, part...), rest
		if len(c.line) > chunkLineLimit {
			return nil, badChunk(string(c.line))
		}
		if !ended {
			break
		}
		if err := c.take(strings.TrimSuffix(string(c.line), "\r")); err != nil {
			return nil, err
		}
		c.line = c.line[:0]
	}
	return body, nil
}

// Complete reports whether the body has come to its end.
func (c *Chunks) Complete() bool { return c.expects == nothing }

// take takes a whole line.
func (c *Chunks) take(line string) error {
	switch c.expects {
	case chunkSize:
		digits, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimRight(digits, blanks), 16, 63)
		if err != nil {
			return badChunk(line)
		}
		c.left, c.expects = int64(n), chunkEnd
		if n == 0 {
			c.expects = trailerField
		}
	case chunkEnd:
		if line != "" {
			return badChunk(line)
		}
		c.expects = chunkSize
	case trailerField:
		if line == "" {
			c.expects = nothing
			return nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) || hasControl(value) {
			return badChunk(line)
		}
		c.field(http.CanonicalHeaderKey(name), strings.Trim(value, blanks))
	case nothing:
	}
	return nil
}

// field takes a field of the trailer, where it can have no say in how the body is delimited:
// RFC 9110 section 6.5.1.
func (c *Chunks) field(name, value string) {
	if name == "Content-Length" || slices.Contains(connectionFields, name) {
		return
	}
	if c.Trailer == nil {
		c.Trailer = http.Header{}
	}
	c.Trailer[name] = append(c.Trailer[name], value)
}

func badChunk(line string) error {
	return &HeaderError{"its body is not in chunks, as its Transfer-Encoding says", shorten(line)}
}
