package cgi

import (
	"errors"
	"net/http/httptest"
	"testing"
)

func TestHostIsANameOrAnAddress(t *testing.T) {
	for _, host := range []string{
		"", "example.org", "EXAMPLE.org.", "a", "a-b_c.example", "xn--bcher-kva.example", "192.0.2.1", "example.org:",
		"example.org:1", "example.org:65535", "[::1]", "[2001:db8::1]:8080", "[::ffff:192.0.2.1]",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		if err := Check(r); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
	for _, host := range []string{
		"a:b", "a:0", "a:65536", "a:-1", "a:+1", "a:1:2", "a: 1", "a:1 ", ":", ":80", "a..b", ".a", "..", "a b", "a@b", "$(id)", "a;id",
		"a'b", "a\"b", "a&b", "a%41", "a/b", "a\\b", "a\n", "\x00", "b\xfccher.example", "b\u00fccher.example", "[]", "[::1", "::1",
		"[::1]a", "[::1]:a", "[192.0.2.1]", "[fe80::1%25eth0]", "[a]", "a[::1]", "a]", "*",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		if bad := (*BadHostError)(nil); !errors.As(Check(r), &bad) || bad.Host != host {
			t.Errorf("%q: %v", host, Check(r))
		}
	}
}

func TestMethodsOfServersAreNotForScripts(t *testing.T) {
	for method, want := range map[string]error{
		"GET": nil, "OPTIONS": nil, "trace": nil, "X": nil, "!#$%&'*+-.^_`|~": nil, "$(id)": ErrMethod, "G T": ErrMethod, "G\x00": ErrMethod, "G\xc9": ErrMethod,
		"TRACE": ErrMethod, "CONNECT": ErrMethod,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method = method
		if err := Check(r); !errors.Is(err, want) {
			t.Errorf("%s: %v", method, err)
		}
	}
}
