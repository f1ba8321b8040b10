package caddymod

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A tour goes through the routes of a server with a request as Caddy does, and visits each
// handler of ours on the way. Matchers are asked. Of others' handlers only those are run
// that do nothing but change the request; who else could answer first is noted.
type tour struct {
	w      http.ResponseWriter // for handlers that change the request; nobody reads it
	groups map[string]bool     // of routes: of each the first that matches is taken

	visits []visit
	notRun []string // modules
	broken error    // what has ended the tour: a matcher's error
}

// changers are the handlers that change requests and touch nothing else.
var changers = map[string]bool{
	"http.handlers.vars": true, "http.handlers.rewrite": true, "http.handlers.map": true, "http.handlers.headers": true,
}

// newTour makes a tour of a server.
func newTour(server *caddyhttp.Server, r *http.Request) *tour {
	t := &tour{w: nowhere{}, groups: map[string]bool{}}
	t.routes(server.Routes, caddyhttp.PrepareRequest(r, caddy.NewReplacer(), t.w, server))
	return t
}

// routes goes through a list, and returns the request as it is behind that; nil if it has
// been answered.
func (t *tour) routes(list caddyhttp.RouteList, r *http.Request) *http.Request {
	for _, route := range list {
		if t.groups[route.Group] {
			continue
		}
		matches, err := route.MatcherSets.AnyMatchWithError(r)
		if err != nil {
			t.broken = err
			return nil
		}
		if !matches {
			continue
		}
		t.groups[route.Group] = route.Group != ""
		for _, handler := range route.Handlers {
			if r = t.handler(handler, r); r == nil {
				return nil
			}
		}
		if route.Terminal {
			return nil
		}
	}
	return r
}

// handler goes through one handler, likewise.
func (t *tour) handler(handler caddyhttp.MiddlewareHandler, r *http.Request) *http.Request {
	switch h := handler.(type) {
	case *caddyhttp.Subroute:
		return t.routes(h.Routes, r)
	case *Handler:
		v, handsOn := h.inspect(t.w, r)
		t.visits = append(t.visits, v)
		if !handsOn {
			return nil
		}
		return r
	}
	id := caddy.GetModuleID(handler)
	if !changers[id] {
		t.notRun = append(t.notRun, id)
		return r
	}
	var changed *http.Request
	if err := handler.ServeHTTP(t.w, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		changed = r
		return nil
	})); err != nil {
		t.broken = err
	}
	return changed
}

// hosts adds to found the names that the host matchers of some routes ask for.
func hosts(list caddyhttp.RouteList, found []string) []string {
	for _, route := range list {
		for _, set := range route.MatcherSets {
			for _, matcher := range set {
				switch m := matcher.(type) {
				case *caddyhttp.MatchHost:
					found = append(found, *m...)
				case caddyhttp.MatchHost:
					found = append(found, m...)
				}
			}
		}
		for _, handler := range route.Handlers {
			if h, ok := handler.(*caddyhttp.Subroute); ok {
				found = hosts(h.Routes, found)
			}
		}
	}
	return found
}

// nowhere is a response that nobody gets.
type nowhere struct{}

// Header implements http.ResponseWriter.
func (nowhere) Header() http.Header { return http.Header{} }

// Write implements http.ResponseWriter.
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (nowhere) WriteHeader(int) {}
