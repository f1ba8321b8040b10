package caddymod

import (
	_ "embed"
	"errors"
	htmltemplate "html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	texttemplate "text/template"

	"github.com/caddyserver/caddy/v2"
)

//go:embed inspect.html
var inspectHTML string

//go:embed inspect.txt
var inspectText string

// The two forms for people. That for browsers escapes what clients and scripts have made.
var (
	inspectPage = htmltemplate.Must(htmltemplate.New("inspect.html").Funcs(htmltemplate.FuncMap{"join": join}).Parse(inspectHTML))
	inspectNote = texttemplate.Must(texttemplate.New("inspect.txt").Funcs(texttemplate.FuncMap{"join": join, "line": line}).Parse(inspectText))
)

// join writes words with blanks between them, those with something odd in quotes.
func join(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		if quoted[i] = line(word); quoted[i] != word || word == "" || strings.ContainsAny(word, " \"") {
			quoted[i] = strconv.Quote(word)
		}
	}
	return strings.Join(quoted, " ")
}

// line writes a word so that it can do nothing to a terminal.
func line(word string) string {
	if !strings.ContainsFunc(word, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return word
	}
	quoted := strconv.Quote(word)
	return quoted[1 : len(quoted)-1]
}

// serveInspect answers for `GET /prefork_cgi/inspect?url=…`: with JSON, a page for browsers,
// or text, as the client accepts.
func serveInspect(w http.ResponseWriter, r *http.Request) error {
	if err := onlyGet(r); err != nil {
		return err
	}
	accept, asked := r.Header.Get("Accept"), r.URL.Query().Get("url")
	wantsPage := strings.Contains(accept, "text/html")
	if asked == "" && wantsPage {
		return serveAs(w, "text/html", inspectPage, nil)
	}
	if asked == "" {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New("the parameter url is missing: ?url=/app.pl")}
	}
	found, err := inspect(asked)
	switch {
	case err != nil:
		return err
	case wantsPage:
		return serveAs(w, "text/html", inspectPage, found)
	case strings.Contains(accept, "text/plain"):
		return serveAs(w, "text/plain", inspectNote, found)
	}
	return serveJSON(w, found)
}

// serveAs writes an inspection by a template. The page runs nothing and loads nothing.
func serveAs(w http.ResponseWriter, kind string, template interface{ Execute(io.Writer, any) error }, found *inspection) error {
	h := w.Header()
	h.Set("Content-Type", kind+"; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	return template.Execute(w, found)
}
