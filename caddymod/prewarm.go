package caddymod

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/prefork-cgi/prefork-cgi/cgi"
)

// Prewarming says which scripts are set up before the first request.
type Prewarming struct {
	// Scripts that are set up when the configuration has started, in the background:
	// paths below root, as in a URL, with `*`, `?` and `[a-z]` for patterns. `*` alone
	// is every script that lies in the root itself, or the one that `script` names.
	// What makes their processes must be known before a request comes: root must be
	// set here, and only `env` may have placeholders of the request. Default: none.
	Prewarm []string `json:"prewarm,omitempty"`
}

// everyScript is the pattern that stands for all, and for the one of `script`.
const everyScript = "*"

// unmarshalPrewarm reads `prewarm [<path>...]`.
func (p *Prewarming) unmarshalPrewarm(d *caddyfile.Dispenser) error {
	paths := d.RemainingArgs()
	if len(paths) == 0 {
		paths = []string{everyScript}
	}
	p.Prewarm = append(p.Prewarm, paths...)
	return nil
}

// checkPrewarm refuses what could not become the pool of a later request.
func (h *Handler) checkPrewarm() error {
	if len(h.Prewarm) == 0 {
		return nil
	}
	for _, pattern := range h.Prewarm {
		if h.Script != "" && pattern != everyScript {
			return fmt.Errorf("prewarm %q: there is one script, which prewarm without a path means", pattern)
		}
		if _, err := path.Match(pattern, ""); err != nil || !filepath.IsLocal(belowRoot(pattern)) {
			return fmt.Errorf("prewarm %q is neither a path below root nor a pattern of such", pattern)
		}
	}
	if h.Script == "" && (h.Root == "" || h.Root == defaultRoot) {
		return errors.New("prewarm needs root in the same block: what the directive root says is known only when a request comes")
	}
	values := append([]string{h.Root, h.Script, h.Dir}, h.Args...)
	if h.Identity != nil {
		if len(h.Identity.Env) > 0 {
			return errors.New("prewarm and identity env exclude each other: the variables are known only when a request comes")
		}
		values = append(append(values, h.Identity.ID), h.Identity.Strings...)
	}
	global := caddy.NewReplacer()
	for _, value := range values {
		if strings.Contains(global.ReplaceKnown(value, ""), "{") {
			return fmt.Errorf("prewarm and %q exclude each other: the placeholder is known only when a request comes", value)
		}
	}
	return nil
}

// belowRoot returns a path or pattern as io/fs has it.
func belowRoot(pattern string) string { return strings.Trim(pattern, "/") }

// Handle implements caddyevents.Handler for the event that the configuration has
// started: not before, since a configuration that fails must start no process.
func (a *App) Handle(ctx context.Context, _ caddy.Event) error {
	go a.prewarm(ctx) // until all are set up, or the configuration is replaced
	return nil
}

// subscribe has Handle called if there is something to prewarm.
func (a *App) subscribe(ctx caddy.Context) error {
	events, err := ctx.App("events")
	if err != nil {
		return err
	}
	return events.(*caddyevents.App).On("started", a)
}

// prewarm has the pools of all handlers made that want it, as many at once as there
// are processors.
func (a *App) prewarm(ctx context.Context) {
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, h := range a.handlers {
		for _, file := range h.prewarmed() {
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return
			}
			spec := h.spec(file, nil, caddy.NewReplacer())
			go func() { // until setup is over
				registry.Prewarm(ctx, a.generation, spec)
				<-places
			}()
		}
	}
}

// prewarmed returns the files of the scripts that are to be set up, and logs which
// cannot be.
func (h *Handler) prewarmed() (files []string) {
	for _, pattern := range h.Prewarm {
		found, err := h.matching(pattern)
		if err != nil {
			h.logger.Warn("script cannot be prewarmed", zap.String("prewarm", pattern), zap.Error(err))
		}
		files = append(files, found...)
	}
	return files
}

// matching returns the scripts that a path or pattern means; they are found as a
// request finds them. An error says which is none, or may not be run.
func (h *Handler) matching(pattern string) (files []string, err error) {
	repl := caddy.NewReplacer()
	if h.Script != "" {
		script, errScript := h.findSingle("", repl)
		return existing(script), errScript
	}
	root, err := h.root(repl)
	if err != nil {
		return nil, err
	}
	if !strings.ContainsAny(pattern, `*?[\`) {
		script, errScript := h.tree(root).Resolve("/"+strings.TrimLeft(pattern, "/"), "")
		return existing(script), errScript
	}
	names, err := fs.Glob(os.DirFS(root), belowRoot(pattern))
	for _, name := range names {
		script, errScript := h.tree(root).Resolve("/"+name, "")
		if _, folder := errors.AsType[*cgi.FolderError](errScript); folder || errors.Is(errScript, cgi.ErrNotScript) {
			continue // a pattern may match these
		}
		err = errors.Join(err, errScript)
		files = append(files, existing(script)...)
	}
	if len(files) == 0 && err == nil {
		err = cgi.ErrNotScript
	}
	return files, err
}

// existing returns the file of a script that has been found.
func existing(script cgi.Script) []string {
	if script.File == "" {
		return nil
	}
	return []string{script.File}
}

// Interface guards.
var _ caddyevents.Handler = (*App)(nil)
