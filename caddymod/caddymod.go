// Package caddymod makes warm CGI pools a Caddy module: the HTTP handler and
// Caddyfile directive prefork_cgi, and the app and global option of the same
// name that hold its defaults and each configuration's share of the pools.
//
// It is the only package that knows Caddy and its logger.
//
//	caddyfile.go   Caddyfile tokens ──▶ the structs of handler.go and limits.go,
//	               with the words of caddyfile_args.go; those of limits: caddyfile_limits.go
//	handler.go     one directive's configuration: defaults, checks
//	limits.go      what the directive and the global option have in common
//	budget.go      what all scripts have together, and on whose account
//	app.go         one configuration's generation in the process-wide registry
//	prewarm.go     scripts that are set up when the configuration has started
//	exit.go        how everything ends with Caddy, and by when
//	spec.go        handler and script ──▶ pool.Spec: what setup sees
//	serve.go       a request's way through: resolve, environ, acquire, call, answer
//	place.go       what a path that Caddy has changed makes of SCRIPT_NAME and PATH_INFO
//	output.go      a script's output
//	patience.go    time limits, and how a request body keeps its own
//	deadline.go    how an output keeps the script's
//	rota.go        one timer for all calls
//	response.go    header and body ──▶ client
//	spool.go       a body that its client takes slowly
//	nph.go         scripts that write whole responses
//	input.go       the request's body ──▶ script
//	errors.go      error ──▶ status
//	events.go      pool events ──▶ log lines
//	observe.go     a call ──▶ log lines, placeholders, the access log
//	metrics.go     what is counted, and measured
//	admin.go       pools as they are ──▶ JSON
//	inspection.go  a URL ──▶ what the running configuration would do with it
//	tour.go        how it goes through the routes; inspect.go what each handler of ours says,
//	               with permission.go, setting.go, mask.go
//	inspectpage.go the same as JSON, page and text; command.go asks for it
package caddymod

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/prefork-cgi/prefork-cgi/lib"
	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// registry holds the pools of the process, whose processes launcher starts. They outlive
// configurations, so they cannot belong to one.
var (
	launcher = prefork.NewSystem(libraries)
	registry = pool.NewRegistry(launcher)
)

// libraries unpacks the script libraries and returns their folder: among Caddy's
// data, or where that cannot be written, among temporary files.
func libraries() (string, error) {
	folder, err := lib.Unpack(filepath.Join(caddy.AppDataDir(), "prefork_cgi"))
	if err == nil {
		return folder, nil
	}
	temporary, errTemp := os.MkdirTemp("", "prefork-cgi-*")
	if errTemp != nil {
		return "", errors.Join(err, errTemp)
	}
	caddy.OnExit(func(context.Context) { _ = os.RemoveAll(temporary) })
	if err := os.Chmod(temporary, 0o755); err != nil { //nolint:gosec // for scripts of all users
		return "", err
	}
	return lib.Unpack(temporary)
}

func init() {
	caddy.RegisterModule(App{})
	caddy.RegisterModule(Handler{})
	caddy.RegisterModule(adminAPI{})
	caddycmd.RegisterCommand(command())
	httpcaddyfile.RegisterDirective("prefork_cgi", parseDirective)
	httpcaddyfile.RegisterDirectiveOrder("prefork_cgi", httpcaddyfile.Before, "file_server")
	httpcaddyfile.RegisterGlobalOption("prefork_cgi", parseGlobalOption)
	// The last net: apps have cleaned up by then, unless they could not.
	caddy.OnExit(func(context.Context) { closeRegistry() })
}
