package cgi

import (
	"bufio"
	"math"
	"net/http"
	"strings"
	"testing"
)

func TestOneFieldCannotPassForAnother(t *testing.T) {
	for _, odd := range []bool{false, true} {
		q := newQuery()
		q.c.OddNames = odd
		q.r.Header = http.Header{
			"X-Forwarded-For": {"192.0.2.1"}, "X_Forwarded_For": {"evil"}, "X.Forwarded.For": {"evil"},
			"X~Forwarded~For": {"evil"}, "Content!Type": {"evil"}, "Un_paired": {"odd"},
		}
		env := q.variables(t)
		if env["HTTP_X_FORWARDED_FOR"] != "192.0.2.1" || env["HTTP_CONTENT_TYPE"] != "" {
			t.Errorf("odd names %v: %v", odd, env)
		}
		if _, ok := env["HTTP_UN_PAIRED"]; ok != odd {
			t.Errorf("odd names %v: %v", odd, env)
		}
	}
}

func TestServerNameHasBracketsAroundIPv6(t *testing.T) {
	for _, host := range []string{"[::1]", "[::1]:8080"} {
		q := newQuery()
		q.r.Host = host
		if got := q.variables(t)["SERVER_NAME"]; got != "[::1]" {
			t.Errorf("%s: got %s", host, got)
		}
	}
}

func TestServerNameIsInSmallLetters(t *testing.T) {
	q := newQuery()
	q.r.Host = "WWW.Example.ORG.:80"
	if got := q.variables(t)["SERVER_NAME"]; got != "www.example.org" {
		t.Errorf("got %s", got)
	}
}

func TestPathTranslatedStaysUnderTheRoot(t *testing.T) {
	q := newQuery()
	q.s.PathInfo = "/../../etc/passwd"
	if got := q.variables(t)["PATH_TRANSLATED"]; got != "/srv/etc/passwd" {
		t.Errorf("got %s", got)
	}
}

func TestLargestLimitIsOne(t *testing.T) {
	b, err := NewBody(request(strings.NewReader("hello"), -1), math.MaxInt64)
	if err != nil || b.Length != 5 {
		t.Errorf("got %+v, %v", b, err)
	}
}

func TestEmptyBodyHasNoReader(t *testing.T) {
	declared := request(http.NoBody, 0)
	declared.Header.Set("Content-Length", "0")
	for _, r := range []*http.Request{declared, request(strings.NewReader(""), -1)} {
		if b, err := NewBody(r, 10); err != nil || b.Reader != nil || b.Length != 0 {
			t.Errorf("got %+v, %v", b, err)
		}
	}
}

func TestFolderWhoseIndexIsNoScriptIsNotOurs(t *testing.T) {
	expect(t, Tree{Root: makeTree(t, "text/index.txt"), Extensions: onlyCGI, Index: []string{"index.txt"}},
		resolution{"/text/", "", "not a script"}, resolution{"/text", "", "not a script"})
}

func TestExtensionsAreComparedByteByByte(t *testing.T) {
	if HasExtension("a.\xff", ".\xfe") {
		t.Error("two bytes that are no characters are the same")
	}
}

func TestHeaderCorners(t *testing.T) {
	read := func(text string) (*Response, error) {
		return ReadHeader(bufio.NewReader(strings.NewReader(text)), false)
	}
	if r, err := read("Status: x\n\n"); err == nil || r != nil {
		t.Errorf("a response with an error: %+v, %v", r, err)
	}
	if r, err := read("X-A: \u00a0a\u3000\n\n"); err != nil || r.Header.Get("X-A") != "\u00a0a\u3000" {
		t.Errorf("more than blanks is trimmed: %+v, %v", r, err)
	}
	if r, err := read("Status: 404\tNot Found\n\n"); err != nil || r.Status != 404 {
		t.Errorf("a tab after the status: %+v, %v", r, err)
	}
}
