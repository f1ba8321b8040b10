package cgi

import (
	"slices"
	"strings"
	"testing"
)

func TestQueryMakesArguments(t *testing.T) {
	for _, c := range []struct {
		method, query string
		want          []string
	}{
		{"GET", "one", []string{"one"}},
		{"GET", "one+two", []string{"one", "two"}},
		{"HEAD", "one+two", []string{"one", "two"}},
		{"GET", "a%20b+c%2Bd+%C3%A4+%ff", []string{"a b", "c+d", "ä", "\xff"}},
		{"GET", "a++b+", []string{"a", "", "b", ""}},
		{"GET", "a%3Db", []string{"a=b"}},
		{"GET", "a-b+c%20d-e", []string{"a-b", "c d-e"}},
		{"GET", "a;b&c", []string{`a\;b\&c`}},
		{"GET", "%60id%60+$(id)+%0A", []string{"\\`id\\`", `\$\(id\)`, "\\\n"}},
		{"GET", strings.Repeat("+", mostArguments-1), make([]string, mostArguments)},
	} {
		if got := Arguments(c.method, c.query); !slices.Equal(got, c.want) {
			t.Errorf("%s ?%.40s: got %.80q, want %.80q", c.method, c.query, got, c.want)
		}
	}
}

func TestQueryMakesNoArgumentsRatherThanSome(t *testing.T) {
	for _, query := range []string{
		"", "a=b", "one+a=b", // no words
		"a+%zz", "a+%", "a+%00", // what cannot be one
		"-s", "a+-s", "%2ds", "a+-", "--help", // options
		"%20-s", "a%20-s", "a%09-s", "a%0A-s", "x+a%20%20-s", // that a shell makes
		strings.Repeat("+", mostArguments),
	} {
		if got := Arguments("GET", query); got != nil {
			t.Errorf("?%.40s: got %.80q", query, got)
		}
	}
	for _, method := range []string{"POST", "PUT", "OPTIONS", "get"} {
		if got := Arguments(method, "one"); got != nil {
			t.Errorf("%s: got %q", method, got)
		}
	}
}
