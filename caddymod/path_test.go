package caddymod

import (
	"net/url"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestPathKeepsBytesThatAreNoCharacters(t *testing.T) {
	for path, want := range map[string]string{
		"/a//b/../c/":                 "/a//c/",
		"/gr\u00fc\u00df//e":          "/gr\u00fc\u00df//e",
		"/env.pl/\xe4\xff//\xfe/../b": "/env.pl/\xe4\xff//b",
		"/\xc3\xa4\xe4":               "/\xc3\xa4\xe4",
		"/\xe4/./b":                   "/\xe4/b",
	} {
		if got := normalizedPath(path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}

// What a matcher has looked at must be what is run: it merges slashes.
func TestDotsAndSlashesNameTheSameFileToMatchersAndToUs(t *testing.T) {
	for path, want := range map[string]string{
		"/secret//../a.cgi":            "/a.cgi",
		"/none//../a.cgi":              "/a.cgi",
		"/x/..//secret//../../a.cgi/b": "//a.cgi/b",
		"/secret//./a.cgi":             "/secret//a.cgi",
		"//../a.cgi":                   "/a.cgi",
		"/\xff//../a.cgi":              "/a.cgi",
		"/a.cgi//x//../y":              "/a.cgi/y",
		"/a.cgi//x":                    "/a.cgi//x",
		"/a//":                         "/a//",
	} {
		got := normalizedPath(path)
		if got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
		if matched := caddyhttp.CleanPath(path, true); caddyhttp.CleanPath(got, true) != matched {
			t.Errorf("%q: we run %q, matchers see %q", path, got, matched)
		}
	}
}

func TestEscapedPathIsAsTheClientWroteIt(t *testing.T) {
	for target, want := range map[string]string{
		"/a.cgi":               "",
		"/d%2Fa.cgi":           "/d%2Fa.cgi",
		"/d%2Fa.cgi/{":         "/d%2Fa.cgi/{", // URL.EscapedPath says "/d/a.cgi/%7B"
		"/d%2Fa.cgi/\xe4":      "/d%2Fa.cgi/\xe4",
		"/x/../d%2Fa.cgi":      "/d%2Fa.cgi",
		"/secret//../a%2ecgi/": "/a%2ecgi/",
	} {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		if got := escapedPath(u); got != want {
			t.Errorf("%q: got %q, want %q", target, got, want)
		}
	}
	if got := escapedPath(&url.URL{Path: "/rewritten", RawPath: "/before%2F"}); got != "" {
		t.Errorf("of a path that has been rewritten: %q", got)
	}
}
