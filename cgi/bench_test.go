package cgi

import (
	"bufio"
	"strings"
	"testing"
)

// The first stages of a request, and that which begins its answer.

func BenchmarkResolve(b *testing.B) {
	tree := Tree{Root: makeTree(b, "site/blog/entry.cgi*"), Extensions: []string{".cgi", ".pl"}, Index: []string{"index.cgi"}}
	for name, path := range map[string]string{
		"script":     "/site/blog/entry.cgi",
		"path-info":  "/site/blog/entry.cgi/2024/01/02",
		"not-script": "/site/blog/style.css",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tree.Resolve(path, ""); (err != nil) != (name == "not-script") {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEnviron(b *testing.B) {
	q := newQuery()
	// What a browser sends.
	for name, value := range map[string]string{
		"Accept":                    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"Accept-Encoding":           "gzip, deflate, br, zstd",
		"Accept-Language":           "de,en-US;q=0.7,en;q=0.3",
		"Cookie":                    "session=0123456789abcdef",
		"Sec-Fetch-Dest":            "document",
		"Sec-Fetch-Mode":            "navigate",
		"Sec-Fetch-Site":            "none",
		"Upgrade-Insecure-Requests": "1",
		"User-Agent":                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
	} {
		q.r.Header.Set(name, value)
	}
	b.ReportAllocs()
	for b.Loop() {
		Environ(q.r, q.s, q.c)
	}
}

func BenchmarkReadHeader(b *testing.B) {
	const header = "Set-Cookie: session=0123456789abcdef; Path=/; HttpOnly\r\n" +
		"Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
	text := strings.NewReader("")
	reader := bufio.NewReader(text)
	b.ReportAllocs()
	for b.Loop() {
		text.Reset(header)
		reader.Reset(text)
		if _, err := ReadHeader(reader, false); err != nil {
			b.Fatal(err)
		}
	}
}
