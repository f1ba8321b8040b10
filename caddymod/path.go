package caddymod

import (
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// normalizedPath is Caddy's, which takes a path for UTF-8 and loses the bytes that are
// not. So each byte of such a path is a character meanwhile.
func normalizedPath(urlPath string) string {
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
