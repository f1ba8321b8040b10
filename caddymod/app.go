package caddymod

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/prefork-cgi/prefork-cgi/pool"
)

// App holds the defaults of all prefork_cgi handlers, and a configuration's
// share of the warm processes: while two configurations want the same script,
// started in the same way, its processes go on through the reload.
type App struct {
	Limits

	logger     *zap.Logger
	handlers   []*Handler
	generation *pool.Generation
}

// CaddyModule returns the module's registration.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "prefork_cgi",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision prepares a generation. It enters the registry when the app starts.
func (a *App) Provision(ctx caddy.Context) error {
	a.logger = ctx.Logger()
	a.generation = &pool.Generation{Covers: a.covers, Observe: a.observe}
	return nil
}

// Validate checks the defaults.
func (a *App) Validate() error { return a.validate() }

// add takes a handler of the same configuration in. Two that have the same warm
// processes must agree on their limits.
func (a *App) add(h *Handler) error {
	for _, other := range a.handlers {
		if h.sharesPools(other) && h.Limits != other.Limits {
			return fmt.Errorf("two prefork_cgi handlers share the processes of %s and have different limits: "+
				"give them the same, or separate the processes with identity", h.where())
		}
	}
	a.handlers = append(a.handlers, h)
	return nil
}

// covers tells the registry whether this configuration wants a pool.
func (a *App) covers(spec pool.Spec) (pool.Spec, bool) {
	for _, h := range a.handlers {
		if h.covers(spec) {
			spec.Limits, spec.Sources = h.forPool(), h.sources(spec.Command.Script)
			return spec, true
		}
	}
	return spec, false
}

// Start is the first step that touches what lives.
func (a *App) Start() error {
	registry.Enter(a.generation)
	return nil
}

// Stop does nothing: other apps may still serve requests of this configuration.
func (a *App) Stop() error { return nil }

// Cleanup gives up this configuration's share. When Caddy exits it waits until
// the processes have ended.
func (a *App) Cleanup() error {
	if a.generation == nil {
		return nil
	}
	registry.Leave(a.generation)
	if caddy.Exiting() {
		closeRegistry(context.Background())
	}
	return nil
}

// Interface guards.
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
