package caddymod

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// How everything ends when Caddy exits:
//
//	asked to exit   Caddy's shutdown_delay: requests are served as ever
//	then            its servers shut down: no new connections, and what runs or is
//	                queued goes on, for as long as Caddy's grace_period says; or, as
//	                Caddy without one would wait for ever, for finishLimit
//	then            what waits is refused, what runs is asked to end
//	+ exitLimit     what is left is killed
//
// Caddy's own systemd unit allows 5 seconds for everything.
const (
	finishLimit = 2 * time.Second
	exitLimit   = time.Second
)

// closeRegistry ends all processes when Caddy exits; once, so that what cannot
// be ended is not waited for twice.
var closeRegistry = sync.OnceFunc(func() {
	ctx, cancel := context.WithTimeout(context.Background(), exitLimit)
	defer cancel()
	registry.Close(ctx)
})

// An exit bounds how long Caddy waits for requests of scripts when it exits.
type exit struct {
	patient bool // Caddy's grace_period bounds it
	once    sync.Once
}

// prepare learns how long Caddy waits. All apps are provisioned.
func (e *exit) prepare(ctx caddy.Context) error {
	app, err := ctx.AppIfConfigured("http")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil // handlers can be in other apps
	}
	if err != nil {
		return err
	}
	e.patient = app.(*caddyhttp.App).GracePeriod > 0
	return nil
}

// exitsWith has the exit begin when the server that ctx provisions shuts down.
func (a *App) exitsWith(ctx caddy.Context) {
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		server.RegisterOnShutdown(a.serverShutsDown)
	}
}

// serverShutsDown starts the wait, if it is Caddy that ends and not a configuration.
func (a *App) serverShutsDown() {
	if !caddy.Exiting() || a.exit.patient {
		return
	}
	a.exit.once.Do(func() { time.AfterFunc(finishLimit, a.cutShort) })
}

// cutShort ends what runs before Caddy has seen it end.
func (a *App) cutShort() {
	running := 0
	for _, p := range registry.Snapshot() {
		running += p.Running + p.Waiting
	}
	if running > 0 {
		a.logger.Warn("Caddy exits, and requests are broken off; the global option grace_period gives them more time",
			zap.Int("requests", running))
	}
	closeRegistry()
}
