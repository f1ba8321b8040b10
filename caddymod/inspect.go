package caddymod

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/prefork-cgi/prefork-cgi/cgi"
	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// A visit is what one handler would do with a request. Nothing has been run, and nobody
// else has been asked but the kernel. docs/operations.md describes the fields.
type visit struct {
	Path   string `json:"path"` // as the handler sees it
	Answer string `json:"answer"`
	Status int    `json:"status,omitempty"` // 0: the script's own, or the next handler's

	Script      *scriptReport `json:"script,omitempty"`
	Permissions []permission  `json:"permissions,omitempty"`
	Start       *startReport  `json:"start,omitempty"`
	Pool        *poolReport   `json:"pool,omitempty"`
	Environment []variable    `json:"environment,omitempty"`
	Limits      []setting     `json:"limits,omitempty"`
}

// A scriptReport is which script answers.
type scriptReport struct {
	File         string `json:"file"`
	ScriptName   string `json:"script_name"`
	PathInfo     string `json:"path_info,omitempty"`
	DocumentRoot string `json:"document_root,omitempty"`
}

// A startReport is how the script would be started.
type startReport struct {
	Command []string     `json:"command"` // without what makes it warm
	Dir     string       `json:"dir"`
	Mode    prefork.Mode `json:"mode,omitempty"`
	Why     string       `json:"why,omitempty"`
	Note    string       `json:"note,omitempty"`
	Error   string       `json:"error,omitempty"`
}

// A poolReport is which pool serves the request: what makes it, and what it is like, if it
// is there.
type poolReport struct {
	Pool   string      `json:"pool"`
	Inputs []identPart `json:"inputs"`
	Now    *poolStatus `json:"now,omitempty"`
}

// An identPart is one of the inputs of an ident.
type identPart struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// A variable is one of a request's environment.
type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Setup bool   `json:"setup,omitempty"` // setup sees it, too
}

// inspect says what h would do with a request, which is as the handlers before h have left
// it, by the same steps as ServeHTTP. handsOn is true if the next handler would have it.
func (h *Handler) inspect(w http.ResponseWriter, r *http.Request) (v visit, handsOn bool) {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	original := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	v.Path = r.URL.Path
	script, err := h.resolve(r, original.URL.Path, repl)
	if err != nil {
		handsOn = errors.Is(err, cgi.ErrNotScript)
		h.explain(&v, err, repl)
		return v, handsOn
	}
	v.Answer = "the script's"
	v.Script = &scriptReport{script.File, "", script.PathInfo, script.Root}
	x := &exchange{Handler: h, w: w, r: r, repl: repl, target: original.RequestURI, script: script}
	env := x.environ(-1)
	v.Script.ScriptName, _ = get(env, "SCRIPT_NAME")
	spec := x.spec(script.File, env, repl)
	v.Environment = variables(env, spec.Command.Env)
	v.Limits = h.settingsInForce()
	v.Pool = inspectPool(spec)
	v.Start, v.Permissions = h.inspectStart(spec.Command)
	return v, false
}

// explain says why a request is not a script's, and which file that is about.
func (h *Handler) explain(v *visit, err error, repl *caddy.Replacer) {
	v.Answer = err.Error()
	if folder := (*cgi.FolderError)(nil); errors.As(err, &folder) {
		v.Status, v.Answer = http.StatusPermanentRedirect, "a redirect: "+v.Answer
		return
	}
	if !errors.Is(err, cgi.ErrNotScript) {
		v.Status, _, _ = statusOf(err)
	}
	file, needs := "", []cgi.Right(nil)
	forbidden, badPath, badHost := (*cgi.ForbiddenError)(nil), (*cgi.BadPathError)(nil), (*cgi.BadHostError)(nil)
	switch {
	case errors.As(err, &badPath), errors.As(err, &badHost):
		return
	case errors.As(err, &forbidden):
		file = forbidden.File
		if forbidden.Reason != cgi.LeadsOut {
			needs = h.needs(file)
		}
	case h.Script != "":
		file, _ = caddy.FastAbs(repl.ReplaceAll(h.Script, ""))
	default:
		root, _ := h.root(repl)
		file = strings.TrimSuffix(root, "/") + normalizedPath(v.Path)
	}
	way := cgi.Way(file, needs...)
	v.Permissions = permissions(nil, "script", way)
	if errors.Is(err, cgi.ErrNotScript) {
		v.Answer = "the next handler's: " + h.whyNoScript(way[len(way)-1])
	}
}

// whyNoScript says what is at the end of the way to where a script could be.
func (h *Handler) whyNoScript(last cgi.Step) string {
	switch {
	case last.Err != nil:
		return last.Err.Error()
	case len(last.Lacks) > 0:
		return last.Path + " may not be entered"
	case last.Info.IsDir():
		return last.Path + " is a folder without a script of the names " + strings.Join(h.Index, ", ") + " (index)"
	}
	return last.Path + " is not among the files that are scripts: " + strings.Join(h.Extensions, ", ") + " (extensions)"
}

// needs returns what Caddy must be allowed to do with a script's file.
func (h *Handler) needs(file string) []cgi.Right {
	if h.interpreted(file) {
		return []cgi.Right{cgi.Read}
	}
	return []cgi.Right{cgi.Read, cgi.Execute}
}

// inspectStart says how a script would be started, and what that needs on the way to the
// script, to each program that runs it, and to its directory.
func (h *Handler) inspectStart(cmd prefork.Command) (*startReport, []permission) {
	needed := permissions(nil, "script", cgi.Way(cmd.Script, h.needs(cmd.Script)...))
	prospect, err := launcher.Foresee(cmd)
	for _, program := range prospect.Programs {
		needed = permissions(needed, "interpreter", cgi.Way(program, cgi.Execute))
	}
	needed = permissions(needed, "dir", cgi.Way(cmd.Dir, cgi.Enter))
	start := &startReport{
		Command: maskAll(slices.Concat(prospect.Words, []string{cmd.Script}, cmd.Args)),
		Dir:     cmd.Dir, Mode: prospect.Mode, Why: prospect.Why, Note: prospect.Note,
	}
	if err = cmp.Or(err, prospect.Missing); err != nil {
		start.Error = err.Error()
	}
	return start, needed
}

func inspectPool(spec pool.Spec) *poolReport {
	ident := spec.Ident()
	report := &poolReport{Pool: ident.String()}
	for _, input := range spec.Inputs() {
		report.Inputs = append(report.Inputs, identPart{input.Name, maskAll(input.Values)})
	}
	for _, s := range registry.Snapshot() {
		if s.Ident == ident {
			now := statusOfPool(s)
			report.Now = &now
		}
	}
	return report
}

// variables returns an environment by name; setup sees those that are in seen.
func variables(env, seen []string) []variable {
	list := make([]variable, 0, len(env))
	for _, entry := range slices.Sorted(slices.Values(env)) {
		name, value, _ := strings.Cut(mask(entry), "=")
		list = append(list, variable{name, value, slices.Contains(seen, entry)})
	}
	return list
}
