package caddymod

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/prefork-cgi/prefork-cgi/cgi"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// Handler runs CGI programs. A script in Perl, Python or Ruby, and any that calls
// the prefork library, is started once and then forked for each request; any
// other is executed for each request, under the same limits and logs.
//
// A request for something that is no script goes to the next handler, so
// `file_server` beside it works. A script that may not be run is answered with
// 403 and never handed on.
//
// These placeholders are set:
//
// Placeholder | Description
// ------------|------------
// `{http.prefork_cgi.script}` | The script's file
// `{http.prefork_cgi.mode}` | `explicit` or `automatic` if it is served warm, `cold` if not
// `{http.prefork_cgi.pid}` | Process number of the executor
// `{http.prefork_cgi.queue_ms}` | Milliseconds spent waiting for a free executor
// `{http.prefork_cgi.duration_ms}` | Milliseconds from the call to the end of the response
// `{http.prefork_cgi.exit_status}` | Exit code or signal name; `unknown` where the library cannot tell, empty while the script runs on
// `{http.prefork_cgi.cpu_user_ms}` | Milliseconds of CPU time in the script; this and the next two are empty where nobody measures them
// `{http.prefork_cgi.cpu_system_ms}` | Milliseconds of CPU time in the kernel on its behalf
// `{http.prefork_cgi.peak_memory}` | Bytes of its largest resident set, what it shares with its server included
type Handler struct {
	// The folder of scripts. Default: `{http.vars.root}`.
	Root string `json:"root,omitempty"`

	// With which extensions a file in it is a script; `*` stands for every
	// executable file. Default: `.cgi .pl .py .rb`.
	Extensions []string `json:"extensions,omitempty"`

	// Scripts that answer for the folder they are in. Default:
	// `index.cgi index.pl`.
	Index []string `json:"index,omitempty"`

	// Where symbolic links in it may lead: `inside` the root, or anywhere:
	// `follow`. Default: `inside`.
	Symlinks string `json:"symlinks,omitempty"`

	// One script for all requests, instead of a folder.
	Script string `json:"script,omitempty"`

	// With script: what SCRIPT_NAME is. What follows it in the path is
	// PATH_INFO. Default: empty; in a Caddyfile, the path that the directive's
	// matcher names.
	ScriptName string `json:"script_name,omitempty"`

	// Programs that run scripts, with their arguments, by the script's
	// extension. Default: the script's `#!` line.
	Interpreters map[string][]string `json:"interpreters,omitempty"`

	// Arguments for the script.
	Args []string `json:"args,omitempty"`

	// Working directory. Default: the script's own folder.
	Dir string `json:"dir,omitempty"`

	// Variables for the script. They are part of what setup sees, but for those
	// with placeholders of the request, `{http.*}`: these belong to each request.
	Env map[string]string `json:"env,omitempty"`

	// Variables of Caddy's own environment that are passed on.
	PassEnv []string `json:"pass_env,omitempty"`

	// What else separates warm processes of the same script.
	Identity *Identity `json:"identity,omitempty"`

	// Files and folders whose change means that scripts must be started anew, as
	// the script's own does.
	Watch []string `json:"watch,omitempty"`

	Warming

	Prewarming

	Nonparsed

	Limits

	// On whose account the processes are.
	Tenant Tenant `json:"tenant,omitzero"`

	app    *App
	logger *zap.Logger
	stderr *zap.Logger
	stalls *rota // has who waits for a request body; nil without a limit
	// Derived from the fields above by Provision.
	setupEnv   []string          // what setup sees
	setupNames map[string]bool   // and its names
	requestEnv map[string]string // Env that belongs to each request
	settings   string            // all that makes an ident but script and interpreter, as written, behind two NULs
}

// Identity says what makes warm processes of one script distinct, beside
// what setup sees. Each value may have placeholders, and then makes a pool for
// each value that comes.
type Identity struct {
	// Variables of the request's environment. Requests in which one differs, or is
	// absent, do not share a process; and setup sees it.
	Env []string `json:"env,omitempty"`

	// Text.
	Strings []string `json:"strings,omitempty"`

	// A name that stands for all that setup sees but the script itself: requests
	// with the same name share a process though their settings differ.
	ID string `json:"id,omitempty"`
}

// Defaults of fields that have one of their own.
var (
	defaultRoot       = "{http.vars.root}"
	defaultExtensions = []string{".cgi", ".pl", ".py", ".rb"}
	defaultIndex      = []string{"index.cgi", "index.pl"}
)

// CaddyModule returns the module's registration.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.prefork_cgi",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision fills in defaults and joins the configuration's app. It starts
// nothing.
func (h *Handler) Provision(ctx caddy.Context) error {
	if err := prefork.Check(); err != nil {
		return err
	}
	h.logger = ctx.Logger()
	h.stderr = h.logger.Named("stderr")
	app, err := ctx.App("prefork_cgi")
	if err != nil {
		return err
	}
	h.app = app.(*App)
	h.app.exitsWith(ctx)
	h.Limits = h.Limits.or(h.app.Limits).or(builtin)
	if err = h.check(); err != nil {
		return err
	}
	h.stalls = newStalls(h.bodyTimeout())
	if h.Script == "" {
		h.Root = cmp.Or(h.Root, defaultRoot)
		if h.Extensions == nil {
			h.Extensions = defaultExtensions
		}
		if h.Index == nil {
			h.Index = defaultIndex
		}
	}
	h.logMissing()
	h.provisionEnv()
	settings, err := json.Marshal([]any{h.Args, h.Dir, h.setupEnv, h.Identity, h.Warming})
	if err != nil {
		return err
	}
	h.settings = "\x00\x00" + string(settings)
	h.app.handlers = append(h.app.handlers, h)
	return nil
}

// check refuses what contradicts itself.
func (h *Handler) check() error {
	if h.Script != "" && (h.Root != "" || h.Extensions != nil || h.Index != nil || h.Symlinks != "") {
		return errors.New("script and root, extensions, index or symlinks exclude each other: " +
			"one script answers all requests, or a folder has many")
	}
	if h.Script == "" && h.ScriptName != "" {
		return errors.New("script_name needs script")
	}
	if h.ScriptName != "" && (h.ScriptName[0] != '/' || strings.HasSuffix(h.ScriptName, "/")) {
		return fmt.Errorf("script_name is %q; it must begin with a slash and not end with one", h.ScriptName)
	}
	switch cgi.Symlinks(h.Symlinks) {
	case "", cgi.Inside, cgi.Follow:
	default:
		return fmt.Errorf("symlinks is %q; it can be inside or follow", h.Symlinks)
	}
	for _, extension := range h.Extensions {
		if err := checkExtension(extension); err != nil {
			return err
		}
	}
	for _, name := range h.Index {
		if strings.Contains(name, "/") {
			return fmt.Errorf("index %q is not the name of a file", name)
		}
	}
	for extension, program := range h.Interpreters {
		if err := checkExtension(extension); err != nil {
			return err
		}
		if len(program) == 0 || program[0] == "" {
			return fmt.Errorf("interpreter for %s names no program", extension)
		}
	}
	if h.Reuse == on && h.MaxRequests <= 1 {
		return errors.New("reuse needs max_requests: without it every request has a process of its own")
	}
	return errors.Join(h.checkWatch(), h.checkNames(), h.checkPrewarm(), h.Warming.check(), h.Nonparsed.check())
}

// checkWatch refuses what would never be watched.
func (h *Handler) checkWatch() error {
	for _, path := range h.Watch {
		if strings.ContainsAny(path, "*{") {
			return fmt.Errorf("watch %q: placeholders and patterns have no meaning here; a folder stands for all below it", path)
		}
	}
	return nil
}

func checkExtension(extension string) error {
	if extension == cgi.AnyExecutable || len(extension) > 1 && extension[0] == '.' && !strings.Contains(extension, "/") {
		return nil
	}
	return fmt.Errorf("extension %q does not begin with a dot; `*` means every executable file", extension)
}

// checkNames refuses names that no environment can have, or that are ours.
func (h *Handler) checkNames() error {
	names := slices.Concat(slices.Collect(maps.Keys(h.Env)), h.PassEnv)
	if h.Identity != nil {
		names = append(names, h.Identity.Env...)
	}
	for _, name := range names {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return fmt.Errorf("%q cannot be the name of a variable", name)
		}
		if name == prefork.HandoverVariable {
			return fmt.Errorf("%s is set by this module alone", name)
		}
	}
	return nil
}

// Validate checks limits. It changes nothing.
func (h *Handler) Validate() error { return errors.Join(h.validate(), h.Tenant.validate()) }

// interpreter returns the program that runs a script, if one is configured: that
// of the longest extension that the file has.
func (h *Handler) interpreter(file string) []string {
	var found string
	for extension := range h.Interpreters {
		if len(extension) > len(found) && (extension == cgi.AnyExecutable || cgi.HasExtension(file, extension)) {
			found = extension
		}
	}
	return h.Interpreters[found]
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
