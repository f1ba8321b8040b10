package caddymod

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// spec returns what a pool must be to serve a script to a request with this
// environment.
func (h *Handler) spec(script string, env []string, repl *caddy.Replacer) pool.Spec {
	s := pool.Spec{
		Command: h.command(prefork.Command{
			Interpreter: h.interpreter(script),
			Script:      script,
			Args:        h.args(repl),
			Dir:         h.dir(script, repl),
			Env:         h.setupEnv,
		}),
		Sources:  h.sources(script),
		Limits:   h.forPool(),
		Template: h.template(script),
		Tenant:   h.tenant(script, repl),
		Weight:   h.Tenant.Weight,
	}
	if h.Identity == nil {
		return s
	}
	s.Command.Env = slices.Clone(h.setupEnv)
	for _, name := range h.Identity.Env {
		if value, ok := get(env, name); ok {
			s.Command.Env = set(s.Command.Env, name, value)
			s.Identity = append(s.Identity, name+"="+value)
		} else {
			s.Identity = append(s.Identity, name)
		}
	}
	for _, text := range h.Identity.Strings {
		s.Identity = append(s.Identity, repl.ReplaceAll(text, ""))
	}
	s.ID = repl.ReplaceAll(h.Identity.ID, "")
	return s
}

func (h *Handler) args(repl *caddy.Replacer) []string {
	args := make([]string, len(h.Args))
	for i, arg := range h.Args {
		args[i] = repl.ReplaceAll(arg, "")
	}
	return args
}

// dir returns the working directory; a relative one is taken from the script's
// folder.
func (h *Handler) dir(script string, repl *caddy.Replacer) string {
	dir := repl.ReplaceAll(h.Dir, "")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(script), dir)
	}
	return dir
}

// tenant returns on whose account a script is: that of its tree, or of its folder.
func (h *Handler) tenant(script string, repl *caddy.Replacer) string {
	switch {
	case h.Tenant.Name != "":
		return h.Tenant.Name
	case h.Script != "":
		return filepath.Dir(script)
	}
	return repl.ReplaceAll(h.Root, ".")
}

// sources returns what is watched beside a script; relative paths are taken from
// the script's folder.
func (h *Handler) sources(script string) []string {
	paths := make([]string, len(h.Watch))
	for i, path := range h.Watch {
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(script), path)
		}
		paths[i] = path
	}
	return paths
}

// template identifies the part of the configuration that makes the ident of a
// script's pool, as it is written. Two handlers whose templates are equal would
// make the same pool of the same script for the same request.
func (h *Handler) template(script string) string {
	return strings.Join(h.interpreter(script), "\x00") + h.settings
}

// covers reports whether h may want a pool that has been made for spec: it has
// the same template, and its folder, if that is known before a request comes,
// has the script.
func (h *Handler) covers(spec pool.Spec) bool {
	script := spec.Command.Script
	switch {
	case h.template(script) != spec.Template:
		return false
	case isStatic(h.Script):
		return filepath.Clean(h.Script) == script
	case isStatic(h.Root):
		return strings.HasPrefix(script, strings.TrimSuffix(filepath.Clean(h.Root), "/")+"/")
	}
	return true
}

// isStatic reports whether a path is the same for all requests, and absolute.
func isStatic(path string) bool {
	return filepath.IsAbs(path) && !strings.Contains(path, "{")
}
