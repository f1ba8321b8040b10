package caddymod

import (
	"path"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/prefork-cgi/prefork-cgi/cgi"
)

// place names a script as its client does, where the path has been changed on the
// way here from the original one: SCRIPT_NAME and PATH_INFO together are the client's path, so
// that asking for it again runs the same script with the same two (RFC 3875
// section 3.3). That is so where a prefix was stripped, and where a rewrite has put a
// script in front of the path or of its end. For any other rewrite the
// script keeps the name that it was rewritten to.
func (h *Handler) place(s cgi.Script, urlPath, original string) cgi.Script {
	if urlPath == original {
		return s
	}
	// Caddy merges slashes where it strips.
	client, here := caddyhttp.NormalizedPath(original, true), caddyhttp.NormalizedPath(urlPath, true)
	if here == "/" && !strings.HasSuffix(client, "/") {
		// All was stripped, and Caddy has put a slash in its place.
		s.Name = client + s.Name
		s.PathInfo = strings.TrimSuffix(s.PathInfo, "/")
		return s
	}
	if prefix, ok := strings.CutSuffix(client, here); ok {
		s.Name = prefix + s.Name
		return s
	}
	info := caddyhttp.NormalizedPath(s.PathInfo, true)
	if name, ok := strings.CutSuffix(client, info); ok && info != "" && h.ScriptName == "" {
		s.Name = name
	}
	return s
}

// wantsSlash reports whether a client that has asked for a folder is sent to the path
// with a slash. Where the last segment is not the client's but a rewrite's, or the client's
// path has its slash, that would lead elsewhere, or to the same place again.
func wantsSlash(urlPath, original string) bool {
	return !strings.HasSuffix(original, "/") && path.Base(urlPath) == path.Base(original)
}

// documentRoot returns DOCUMENT_ROOT: the folder that the directive root names, even if
// scripts lie elsewhere. Empty: it names none.
func documentRoot(repl *caddy.Replacer) (string, error) {
	root, _ := repl.GetString("http.vars.root")
	if root == "" {
		return "", nil
	}
	return caddy.FastAbs(root)
}
