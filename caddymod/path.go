package caddymod

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// normalizedPath resolves the dot segments of a path as Caddy's matchers do, for whom
// several slashes are one: "/secret//../a.cgi" is "/a.cgi" for them and for us, and not
// "/secret/a.cgi". Empty segments that make no such difference stay.
func normalizedPath(urlPath string) string {
	merged := caddyhttp.NormalizedPath(urlPath, true)
	if !strings.Contains(urlPath, "//") {
		return merged
	}
	if kept := withEmptySegments(urlPath); caddyhttp.NormalizedPath(kept, true) == merged {
		return kept
	}
	return merged
}

// withEmptySegments is normalizedPath where each empty segment counts. Caddy's function
// takes a path for UTF-8 then, and loses the bytes that are not; so each byte of such a path is
// a character meanwhile.
func withEmptySegments(urlPath string) string {
	if utf8.ValidString(urlPath) {
		return caddyhttp.NormalizedPath(urlPath, false)
	}
	characters := make([]rune, 0, len(urlPath))
	for _, b := range []byte(urlPath) {
		characters = append(characters, rune(b))
	}
	normalized := make([]byte, 0, len(urlPath))
	for _, character := range caddyhttp.NormalizedPath(string(characters), false) {
		normalized = append(normalized, byte(character)) //nolint:gosec // each has been a byte
	}
	return string(normalized)
}

// escapedPath returns the path of a URL as the client has escaped it, normalized; empty
// if it was not, or is not known any more. URL.EscapedPath would escape the path
// anew where the client has left a byte alone that it would escape, and so lose which
// slashes were escaped.
func escapedPath(u *url.URL) string {
	if decoded, err := url.PathUnescape(u.RawPath); err != nil || decoded != u.Path {
		return ""
	}
	return normalizedPath(u.RawPath)
}
