package caddymod

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/prefork-cgi/prefork-cgi/pool"
)

// App holds the defaults of all prefork_cgi handlers, and a configuration's
// share of the warm processes: while two configurations want the same script,
// started in the same way, its processes go on through the reload.
type App struct {
	Limits
	Budget

	ctx        caddy.Context
	logger     *zap.Logger
	handlers   []*Handler
	generation *pool.Generation
	exit       *exit
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
	a.ctx, a.logger = ctx, ctx.Logger()
	a.exit = new(exit)
	for _, collector := range collectors {
		if err := ctx.GetMetricsRegistry().Register(collector); err != nil {
			return fmt.Errorf("cannot register metrics: %w", err)
		}
	}
	a.generation = &pool.Generation{Covers: a.covers, Budget: a.forPools(), Observe: a.observe}
	return a.subscribe(ctx)
}

// Validate checks the defaults and the budget.
func (a *App) Validate() error { return errors.Join(a.validate(), a.check()) }

// covers tells the registry whether this configuration wants a pool, and how. Which
// of several handlers that may have it really does is known when a request comes:
// until then that in which they differ stays as it is.
func (a *App) covers(spec pool.Spec) (wanted pool.Spec, ok bool) {
	of := slices.DeleteFunc(slices.Clone(a.handlers), func(h *Handler) bool { return !h.covers(spec) })
	if len(of) == 0 {
		return spec, false
	}
	first := of[0]
	if !slices.ContainsFunc(of, func(h *Handler) bool { return h.forPool() != first.forPool() }) {
		spec.Limits = first.forPool()
	}
	if !slices.ContainsFunc(of, func(h *Handler) bool { return !slices.Equal(h.Watch, first.Watch) }) {
		spec.Sources = first.sources(spec.Command.Script)
	}
	return spec, true
}

// Start is the first step that touches what lives.
func (a *App) Start() error {
	registry.Enter(a.generation)
	return a.exit.prepare(a.ctx)
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
		closeRegistry()
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
