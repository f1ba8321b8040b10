package cgi

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// request returns one with a body of a length; -1 is not known, as of chunks.
func request(body io.Reader, length int64) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.ContentLength = length
	return r
}

// text reads a body, wherever it is.
func text(t *testing.T, b *Body) string {
	t.Helper()
	r := b.Reader
	switch {
	case b.File != nil:
		r = b.File
	case r == nil:
		return string(b.Ahead)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(content)
}

// noFiles fails if anything is in the folder for temporary files, which is a
// fresh one from now on.
func noFiles(t *testing.T) func() {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	return func() {
		t.Helper()
		if files, err := os.ReadDir(folder); err != nil || len(files) > 0 {
			t.Errorf("temporary files: %v, %v", files, err)
		}
	}
}

func TestRequestWithoutBodyHasNone(t *testing.T) {
	b, err := NewBody(httptest.NewRequest(http.MethodGet, "/", nil), 0)
	if err != nil || b.Length >= 0 || b.Reader != nil || b.File != nil {
		t.Errorf("got %+v, %v", b, err)
	}
	b.Close()
}

func TestBodyOfKnownLengthIsNotSpooled(t *testing.T) {
	content := strings.Repeat("x", 2*memoryLimit)
	for _, length := range []int{1, memoryLimit, len(content)} {
		b, err := NewBody(request(strings.NewReader(content), int64(length)), 10)
		if err != nil || b.Length != int64(length) || b.File != nil {
			t.Fatalf("length %d: got %+v, %v", length, b, err)
		}
		if got := text(t, b); got != content[:length] {
			t.Errorf("length %d: %d bytes are read", length, len(got))
		}
		b.Close()
	}
	empty := request(http.NoBody, 0)
	empty.Header.Set("Content-Length", "0")
	if b, err := NewBody(empty, 10); err != nil || b.Length != 0 {
		t.Errorf("an empty body: got %+v, %v", b, err)
	}
}

func TestBodyWithoutLengthGetsOne(t *testing.T) {
	check := noFiles(t)
	content := strings.Repeat("0123456789abcdef", memoryLimit/8)
	for _, c := range []struct {
		length, limit int
		inFile        bool
	}{
		{0, 0, false},
		{0, 10, false},
		{10, 10, false},
		{10, 1 << 40, false},
		{memoryLimit - 1, memoryLimit - 1, false},
		{memoryLimit, memoryLimit, true},
		{memoryLimit + 1, memoryLimit + 1, true},
		{len(content), 1 << 40, true},
	} {
		b, err := NewBody(request(iotest.HalfReader(strings.NewReader(content[:c.length])), -1), int64(c.limit))
		if err != nil {
			t.Errorf("length %d, limit %d: %v", c.length, c.limit, err)
			continue
		}
		check()
		if b.Length != int64(c.length) || (b.File != nil) != c.inFile {
			t.Errorf("length %d, limit %d: got %+v", c.length, c.limit, b)
		}
		if text(t, b) != content[:c.length] {
			t.Errorf("length %d, limit %d: the content is different", c.length, c.limit)
		}
		b.Close()
		if _, err := b.File.Stat(); c.inFile && !errors.Is(err, fs.ErrClosed) {
			t.Errorf("length %d: the file stays open", c.length)
		}
	}
}

func TestBodyOverTheLimitIsTooLarge(t *testing.T) {
	check := noFiles(t)
	for _, limit := range []int{0, 10, memoryLimit - 1, memoryLimit, memoryLimit + 1, 3 * memoryLimit} {
		for _, over := range []int{1, memoryLimit} {
			b, err := NewBody(request(strings.NewReader(strings.Repeat("x", limit+over)), -1), int64(limit))
			if !errors.Is(err, ErrBodyTooLarge) {
				t.Errorf("%d bytes over %d: got %+v, %v", over, limit, b, err)
			}
		}
	}
	check()
}

func TestBodyThatCannotBeReadIsAnError(t *testing.T) {
	check := noFiles(t)
	broken := errors.New("broken")
	for _, before := range []int{0, 10, memoryLimit, 2 * memoryLimit} {
		body := io.MultiReader(strings.NewReader(strings.Repeat("x", before)), iotest.ErrReader(broken))
		if b, err := NewBody(request(body, -1), 1<<40); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: got %+v, %v", before, b, err)
		}
	}
	check()
}

func TestBodyThatCannotBeSpooledIsAnError(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	b, err := NewBody(request(strings.NewReader(strings.Repeat("x", memoryLimit)), -1), 1<<40)
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "cannot spool the request body: ") {
		t.Errorf("got %+v, %v", b, err)
	}
}

func TestSpoolHasNoNameOnAnyFileSystem(t *testing.T) {
	for name, open := range map[string]func() (*os.File, error){"unnamed": unnamedFile, "unlinked": unlinkedFile} {
		check := noFiles(t)
		file, err := open()
		if err != nil {
			t.Fatal(err)
		}
		check()
		info, err := file.Stat()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		file.Close()
	}
}

func TestStreamedBodyIsNotReadAndHasNoLength(t *testing.T) {
	b := StreamedBody(request(iotest.ErrReader(errors.New("broken")), -1))
	if b.Length >= 0 || b.File != nil || b.Ahead != nil {
		t.Fatalf("got %+v", b)
	}
	var fault *BodyError
	if _, err := b.Reader.Read(make([]byte, 1)); !errors.As(err, &fault) {
		t.Errorf("reading it: %v", err)
	}
	if b := StreamedBody(request(strings.NewReader("abcdef"), 3)); b.Length != 3 || text(t, b) != "abc" {
		t.Errorf("one with a length: %+v", b)
	}
	if b := StreamedBody(httptest.NewRequest(http.MethodGet, "/", nil)); b.Length >= 0 || b.Reader != nil {
		t.Errorf("none: %+v", b)
	}
}
