package cgi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
)

// ErrBodyTooLarge says that a body without a length is larger than may be
// spooled.
var ErrBodyTooLarge = errors.New("the request body is larger than may be spooled")

// A BodyError says that a request body could not be read, which is the client's
// fault or its connection's.
type BodyError struct{ Err error }

func (e *BodyError) Error() string { return "cannot read the request body: " + e.Err.Error() }

func (e *BodyError) Unwrap() error { return e.Err }

// A clientReader is the part of a request that comes from its client.
type clientReader struct{ io.Reader }

func (c clientReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &BodyError{err}
	}
	return n, err
}

// memoryLimit is how long a body is that is kept in memory: as much as a pipe holds.
const memoryLimit = 64 << 10

// A Body is a request body. Its length is known before the script starts, as
// CONTENT_LENGTH has to be (RFC 3875 section 4.1.2), unless it is streamed. Its owner
// must Close it.
type Body struct {
	// Length in bytes; negative where the request has no body, or nobody knows its length.
	Length int64
	// Reader is where to read a body that came with a length, or is streamed. It has not
	// been read at all: script and client may take turns.
	Reader io.Reader
	// Ahead is the whole of a short body that came without one.
	Ahead []byte
	// File holds a spooled body, at its beginning, with no name in any folder.
	File *os.File
}

// NewBody returns the body of a request. One without a length, as HTTP/1.1 sends
// in chunks and HTTP/2 at will, is read to its end first: into memory if it is
// short, else into a temporary file, up to limit bytes. Of Reader, Ahead and File at
// most one is set.
//
// Errors: [ErrBodyTooLarge], *[BodyError], or that of spooling. Reader returns a
// *BodyError too.
func NewBody(r *http.Request, limit int64) (*Body, error) {
	if r.ContentLength >= 0 {
		return sizedBody(r), nil
	}
	limit = min(limit, math.MaxInt64-1)
	body := io.LimitReader(clientReader{r.Body}, limit+1)
	start, err := io.ReadAll(io.LimitReader(body, memoryLimit))
	switch {
	case err != nil:
		return nil, err
	case int64(len(start)) > limit:
		return nil, ErrBodyTooLarge
	case len(start) < memoryLimit:
		return &Body{Length: int64(len(start)), Ahead: start}, nil
	}
	return spool(io.MultiReader(bytes.NewReader(start), body), limit)
}

// StreamedBody is NewBody for a script that reads to the end of its input: a body without
// a length stays without, and nothing waits for its end.
func StreamedBody(r *http.Request) *Body {
	if r.ContentLength < 0 {
		return &Body{Length: -1, Reader: clientReader{r.Body}}
	}
	return sizedBody(r)
}

// sizedBody returns a body that came with a length, or none.
func sizedBody(r *http.Request) *Body {
	switch {
	case r.ContentLength > 0:
		return &Body{Length: r.ContentLength, Reader: io.LimitReader(clientReader{r.Body}, r.ContentLength)}
	case r.Header.Get("Content-Length") == "":
		return &Body{Length: -1}
	}
	return &Body{}
}

// spool writes a body to a file without a name.
func spool(body io.Reader, limit int64) (_ *Body, err error) {
	file, err := unnamedFile()
	if err != nil {
		return nil, fmt.Errorf("cannot spool the request body: %w", err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	n, err := io.Copy(file, body)
	if err != nil {
		return nil, fmt.Errorf("cannot spool the request body: %w", err)
	}
	if n > limit {
		return nil, ErrBodyTooLarge
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return &Body{Length: n, File: file}, nil
}

// Close gives back what holds the body.
func (b *Body) Close() {
	if b.File != nil {
		_ = b.File.Close()
	}
}
