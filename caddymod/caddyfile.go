package caddymod

import (
	"encoding/json"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parseDirective sets up the handler from Caddyfile tokens. A script whose
// script_name is not given has that which the matcher names.
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matchers, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	handler := new(Handler)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if handler.Script != "" && handler.ScriptName == "" {
		handler.ScriptName = matchedPrefix(matchers)
	}
	return h.NewRoute(matchers, handler), nil
}

// matchedPrefix returns the path that all paths have in common which a matcher
// lets through, if it is one path, with or without `*` or `/*` at its end.
func matchedPrefix(matchers caddy.ModuleMap) string {
	var paths caddyhttp.MatchPath
	if json.Unmarshal(matchers["path"], &paths) != nil || len(paths) != 1 {
		return ""
	}
	prefix := strings.TrimRight(strings.TrimSuffix(paths[0], "*"), "/")
	if !strings.HasPrefix(prefix, "/") || strings.ContainsAny(prefix, "*%{") {
		return ""
	}
	return prefix
}

// parseGlobalOption sets up the app from the global option prefork_cgi:
//
//	prefork_cgi {
//	    max_processes <number>|off
//	    max_memory <size>|off
//	    <limit> ...   as in the directive
//	}
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next()
	if existing != nil {
		return nil, d.Err("global option prefork_cgi is given twice")
	}
	app := new(App)
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	for d.NextBlock(0) {
		known, err := app.Limits.unmarshal(d)
		if !known && err == nil {
			known, err = app.Budget.unmarshal(d)
		}
		if err != nil {
			return nil, err
		}
		if !known {
			return nil, d.Errf("unrecognized option %q of prefork_cgi; it can be one of %s, %s", d.Val(), budgetNames, limitNames)
		}
	}
	return httpcaddyfile.App{Name: "prefork_cgi", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets up h from tokens:
//
//	prefork_cgi [<matcher>] {
//	    root <folder>
//	    extensions <.ext>... | *
//	    index <file>...
//	    symlinks inside|follow
//	    script <file>
//	    script_name <path>
//	    interpreter <.ext> <program> [<arg>...]
//	    args <arg>...
//	    dir <folder>
//	    env <name> <value>
//	    pass_env <name>...
//	    identity {
//	        env <name>...
//	        string <text>
//	        id <name>
//	    }
//	    watch <path>...
//	    warm auto|explicit|off
//	    preload <module>...
//	    library bundled|installed
//	    fork_safety warn|cold|refuse
//	    reuse on|off
//	    prewarm [<path>...]
//	    nph on|off|<pattern>...
//	    max_concurrent <number>|off
//	    parked <min> <max> [v1] | off
//	    max_requests <number> [<age>|off [<growth>|off]]
//	    queue <size>|off [<wait>|off]
//	    streams <number>|off [<after>]
//	    overload <status>
//	    tenant <name> [<weight>]
//	    start_timeout <duration>|off
//	    timeout <duration>|off
//	    idle_timeout <duration>|off
//	    grace_period <duration>
//	    reload strict|stale|off
//	    spool_limit <size>|off
//	    request_body spool|stream
//	    query_args on|off
//	    response_spool <size>|off
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		known, err := h.Limits.unmarshal(d)
		if !known && err == nil {
			known, err = h.Warming.unmarshal(d)
		}
		if !known && err == nil {
			err = h.unmarshalOwn(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unmarshalOwn reads a subdirective of Handler itself.
func (h *Handler) unmarshalOwn(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "root":
		return one(d, &h.Root)
	case "extensions":
		return some(d, &h.Extensions)
	case "index":
		return some(d, &h.Index)
	case "symlinks":
		return one(d, &h.Symlinks)
	case "script":
		return one(d, &h.Script)
	case "script_name":
		return one(d, &h.ScriptName)
	case "interpreter":
		return h.unmarshalInterpreter(d)
	case "args":
		return some(d, &h.Args)
	case "dir":
		return one(d, &h.Dir)
	case "env":
		return h.unmarshalEnv(d)
	case "pass_env":
		return some(d, &h.PassEnv)
	case "identity":
		return h.unmarshalIdentity(d)
	case "watch":
		return some(d, &h.Watch)
	case "tenant":
		return h.Tenant.unmarshal(d)
	case "nph":
		return some(d, &h.NPH)
	case "prewarm":
		return h.unmarshalPrewarm(d)
	}
	return d.Errf("unrecognized subdirective %q of prefork_cgi; it can be one of root, extensions, index, symlinks, "+
		"script, script_name, interpreter, args, dir, env, pass_env, identity, watch, tenant, nph, prewarm, %s, %s", d.Val(), warmingNames, limitNames)
}

func (h *Handler) unmarshalInterpreter(d *caddyfile.Dispenser) error {
	words := d.RemainingArgs()
	if len(words) < 2 {
		return d.ArgErr()
	}
	if _, twice := h.Interpreters[words[0]]; twice {
		return d.Errf("interpreter for %s is given twice", words[0])
	}
	if h.Interpreters == nil {
		h.Interpreters = map[string][]string{}
	}
	h.Interpreters[words[0]] = words[1:]
	return nil
}

func (h *Handler) unmarshalEnv(d *caddyfile.Dispenser) error {
	words := d.RemainingArgs()
	if len(words) != 2 {
		return d.ArgErr()
	}
	if _, twice := h.Env[words[0]]; twice {
		return d.Errf("env %s is given twice", words[0])
	}
	if h.Env == nil {
		h.Env = map[string]string{}
	}
	h.Env[words[0]] = words[1]
	return nil
}

// unmarshalIdentity reads the block, or one line of it behind the word.
func (h *Handler) unmarshalIdentity(d *caddyfile.Dispenser) error {
	if h.Identity == nil {
		h.Identity = new(Identity)
	}
	if d.NextArg() {
		return h.Identity.unmarshal(d)
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := h.Identity.unmarshal(d); err != nil {
			return err
		}
	}
	return nil
}

func (i *Identity) unmarshal(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "env":
		return some(d, &i.Env)
	case "string":
		var text string
		err := one(d, &text)
		i.Strings = append(i.Strings, text)
		return err
	case "id":
		return one(d, &i.ID)
	}
	return d.Errf("unrecognized word %q in identity; it can be one of env, string, id", d.Val())
}

// Interface guards.
var _ caddyfile.Unmarshaler = (*Handler)(nil)
