package caddymod

import "testing"

func TestPathKeepsBytesThatAreNoCharacters(t *testing.T) {
	for path, want := range map[string]string{
		"/a//b/../c/":                 "/a//c/",
		"/gr\u00fc\u00df//e":          "/gr\u00fc\u00df//e",
		"/env.pl/\xe4\xff//\xfe/../b": "/env.pl/\xe4\xff//b",
		"/\xc3\xa4\xe4":               "/\xc3\xa4\xe4",
	} {
		if got := normalizedPath(path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}
