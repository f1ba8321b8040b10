package caddymod

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/prefork-cgi/prefork-cgi/cgi"
	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// ServeHTTP answers a request with a script, if its path is one's.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	original := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	script, err := h.resolve(r, original.URL.Path, repl)
	var folder *cgi.FolderError
	switch {
	case errors.Is(err, cgi.ErrNotScript):
		return next.ServeHTTP(w, r)
	case errors.As(err, &folder):
		redirectToFolder(w, original.URL)
		return nil
	case err != nil:
		return answer(w, err)
	}
	x := &exchange{Handler: h, w: w, r: r, repl: repl, target: original.RequestURI, script: script}
	defer x.part()
	return x.serve()
}

// resolve finds the script, and refuses a request that may not be given to any. The path
// is taken as Caddy's matchers see it, so that what they have allowed is what is run;
// empty segments are kept, since PATH_INFO may have them. original is the path before any
// rewriting.
func (h *Handler) resolve(r *http.Request, original string, repl *caddy.Replacer) (cgi.Script, error) {
	urlPath := normalizedPath(r.URL.Path)
	script, err := h.find(r, urlPath, repl)
	if _, folder := errors.AsType[*cgi.FolderError](err); folder && !wantsSlash(urlPath, original) {
		script, err = h.find(r, urlPath+"/", repl)
	}
	if err == nil {
		err = cgi.Check(r)
	}
	if err != nil {
		return cgi.Script{}, err
	}
	return h.place(script, r.URL.Path, original), nil
}

// find finds the script that a path addresses.
func (h *Handler) find(r *http.Request, urlPath string, repl *caddy.Replacer) (cgi.Script, error) {
	if h.Script != "" {
		return h.findSingle(urlPath, repl)
	}
	root, err := h.root(repl)
	if err != nil {
		return cgi.Script{}, err
	}
	script, err := h.tree(root).Resolve(urlPath, escapedPath(r.URL))
	if err != nil || h.Root == defaultRoot {
		return script, err
	}
	if root, err = documentRoot(repl); root != "" {
		script.Root = root
	}
	return script, err
}

// root returns the folder of scripts.
func (h *Handler) root(repl *caddy.Replacer) (string, error) {
	return caddy.FastAbs(repl.ReplaceAll(h.Root, "."))
}

func (h *Handler) tree(root string) cgi.Tree {
	return cgi.Tree{
		Root:        root,
		Extensions:  h.Extensions,
		Index:       h.Index,
		Symlinks:    cgi.Symlinks(h.Symlinks),
		Interpreted: h.interpreted,
	}
}

func (h *Handler) findSingle(urlPath string, repl *caddy.Replacer) (cgi.Script, error) {
	file, err := caddy.FastAbs(repl.ReplaceAll(h.Script, ""))
	if err != nil {
		return cgi.Script{}, err
	}
	root, err := documentRoot(repl)
	if err != nil {
		return cgi.Script{}, err
	}
	return cgi.Single(file, h.ScriptName, urlPath, root, h.interpreted)
}

func (h *Handler) interpreted(file string) bool { return h.interpreter(file) != nil }

// redirectToFolder adds the slash that a folder's path lacks. The target is
// relative: an absolute one that echoes the path could name another server.
func redirectToFolder(w http.ResponseWriter, original *url.URL) {
	target := "./" + url.PathEscape(path.Base(original.Path)) + "/"
	if original.RawQuery != "" {
		target += "?" + original.RawQuery
	}
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusPermanentRedirect)
}

// An exchange is one request on its way through a script.
type exchange struct {
	*Handler
	w      http.ResponseWriter
	r      *http.Request
	repl   *caddy.Replacer
	target string // of the request, as the client has written it
	script cgi.Script

	lease     *pool.Lease   // nil before it is acquired
	body      *timedBody    // nil without a limit
	output    *output       // nil before the call
	began     time.Time     // of the call
	parts     atomic.Int32  // of what has to be over before it can be told of: the request, the call
	failure   error         // why it failed
	ran       time.Duration // how long the call took
	requestID string
	sent      bool        // the response header
	left      int64       // of the announced length of the response; -1 without one
	chunks    *cgi.Chunks // takes them from the response's body; nil if it is not in chunks
}

// serve is the whole way. Until the header is sent, an error is an answer; then
// it can only break the connection.
func (x *exchange) serve() error {
	if err := x.checkFields(); err != nil {
		return x.fail(err)
	}
	body, err := x.requestBody()
	if err != nil {
		return x.fail(err)
	}
	defer body.Close()
	env := x.identifying(body.Length)
	spec := x.spec(x.script.File, env, x.repl)
	x.repl.Set("http.prefork_cgi.script", x.script.File)

	asked := time.Now()
	x.lease, err = registry.Acquire(x.r.Context(), x.app.generation, spec)
	if err != nil {
		return x.fail(err)
	}
	acquireSeconds.Observe(time.Since(asked).Seconds())
	x.identify()
	defer x.logAccess()
	if env == nil {
		env = x.environ(body.Length)
	}
	input, err := x.call(body, prefork.Request{Env: env, Args: x.arguments(spec.Command.Args)})
	if err != nil {
		x.logNoCall(err)
		return x.fail(err)
	}
	defer x.output.close()
	defer input.close()
	stop := context.AfterFunc(x.r.Context(), func() { _ = x.output.abort(x.cause()) })
	defer stop()

	response, err := x.header()
	if err != nil {
		return x.fail(err)
	}
	if response.Kind == cgi.LocalRedirect {
		return x.redirect(response.Location)
	}
	if err := x.send(response); err != nil {
		x.breakOff(err)
	}
	return nil
}

// identifying returns the environment where a part of it makes the ident, and else nil: who is
// refused needs none.
func (x *exchange) identifying(length int64) []string {
	if x.Identity == nil || len(x.Identity.Env) == 0 {
		return nil
	}
	return x.environ(length)
}

// call starts the executor.
func (x *exchange) call(body *cgi.Body, req prefork.Request) (*input, error) {
	in, theirs, err := newInput(x, body)
	if err != nil {
		x.lease.Release()
		return nil, err
	}
	req.Stdin = theirs
	output := newOutput(x.patience())
	x.began, req.Extender = output.began, output
	err = x.lease.Call(x.r.Context(), req)
	if theirs != nil && theirs != body.File {
		_ = theirs.Close()
	}
	if err != nil {
		in.abandon()
		return nil, err
	}
	output.begin(x.lease.Stdout(), x.lease)
	x.output = output
	x.observeCall()
	in.feed()
	return in, nil
}

// software is SERVER_SOFTWARE.
const software = "Caddy"

// environ returns the whole environment of the executor: what setup sees, the
// meta-variables, and last what the administrator has set.
func (x *exchange) environ(length int64) []string {
	c := cgi.Context{
		Software:   software,
		RequestURI: x.target,
		Length:     length,
		// Caddy's server has filtered what its configuration does not allow.
		OddNames: x.server() != nil,
	}
	c.User, _ = x.repl.GetString("http.auth.user.id")
	c.ClientAddr, _ = caddyhttp.GetVar(x.r.Context(), caddyhttp.ClientIPVarKey).(string)
	env := append(without(cgi.Environ(x.r, x.script, c), x.setupNames), x.setupEnv...)
	for name, value := range x.requestEnv {
		env = set(env, name, x.repl.ReplaceAll(value, ""))
	}
	return env
}

// server returns the server that handles the request; nil in other stacks.
func (x *exchange) server() *caddyhttp.Server {
	server, _ := x.r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return server
}

// maxRedirects is how many local redirects one request may cause.
const maxRedirects = 10

type redirectsKey struct{}

// redirect answers as for another path of this server: RFC 3875 section 6.2.2.
// The script ends first, since its place may be needed.
func (x *exchange) redirect(location string) error {
	if err := x.output.discard(); err != nil {
		return x.fail(err)
	}
	count, _ := x.r.Context().Value(redirectsKey{}).(int)
	server := x.server()
	if count >= maxRedirects || server == nil {
		return x.fail(&cgi.HeaderError{Reason: "more than " + strconv.Itoa(maxRedirects) + " local redirects", Line: location})
	}
	target, err := url.ParseRequestURI(location)
	if err != nil {
		return x.fail(&cgi.HeaderError{Reason: "its location is no path", Line: location})
	}
	r := x.r.Clone(context.WithValue(x.r.Context(), redirectsKey{}, count+1))
	if r.Method != http.MethodHead {
		r.Method = http.MethodGet
	}
	r.URL, r.RequestURI = target, location
	r.Body, r.ContentLength = http.NoBody, 0
	for _, field := range []string{"Content-Length", "Content-Type", "Transfer-Encoding"} {
		r.Header.Del(field)
	}
	server.ServeHTTP(x.w, r)
	return nil
}
