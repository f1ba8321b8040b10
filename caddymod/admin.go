package caddymod

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// adminAPI adds to Caddy's admin endpoint:
//
//	GET  /prefork_cgi/budget                   how much of it is in use, as a budgetStatus
//	GET  /prefork_cgi/pools                    all pools as they are now, as a list of poolStatus
//	GET  /prefork_cgi/inspect?url=…            what would be done with a request, as an inspection
//	POST /prefork_cgi/pools/{pool}/retry       forgets what has failed: the next request starts the script
//	POST /prefork_cgi/pools/{pool}/recycle     replaces the server: the new one first, then the old one drains
type adminAPI struct{}

// CaddyModule returns the module's registration.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.prefork_cgi",
		New: func() caddy.Module { return adminAPI{} },
	}
}

// Routes implements caddy.AdminRouter.
func (adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/prefork_cgi/pools", Handler: caddy.AdminHandlerFunc(servePools)},
		{Pattern: "/prefork_cgi/budget", Handler: caddy.AdminHandlerFunc(serveBudget)},
		{Pattern: "/prefork_cgi/inspect", Handler: caddy.AdminHandlerFunc(serveInspect)},
		{Pattern: "/prefork_cgi/pools/{pool}/{action}", Handler: caddy.AdminHandlerFunc(serveAction)},
	}
}

// A poolStatus is a pool as the admin endpoint shows it. The names are those of the
// log; docs/operations.md describes them.
type poolStatus struct {
	Pool    string       `json:"pool"`
	Script  string       `json:"script"`
	Mode    prefork.Mode `json:"mode,omitempty"` // empty while no server is ready
	Why     string       `json:"why,omitempty"`
	Note    string       `json:"note,omitempty"`
	Library string       `json:"library,omitempty"`
	PID     int          `json:"pid,omitempty"`
	AgeMS   float64      `json:"age_ms,omitempty"`
	Running int          `json:"running"`
	Parked  int          `json:"parked"`
	Waiting int          `json:"waiting"`
	Streams int          `json:"streams,omitempty"`
	Tenant  string       `json:"tenant,omitempty"`
	Share   int          `json:"processes"`
	Setup   bool         `json:"setup,omitempty"` // one is under way
	Failure string       `json:"failure,omitempty"`
	RetryMS float64      `json:"retry_in_ms,omitempty"`
	Risks   []riskStatus `json:"risks,omitempty"`
	Loaded  []string     `json:"loaded,omitempty"`
}

type riskStatus struct {
	Kind       prefork.RiskKind `json:"kind"`
	Risk       string           `json:"risk"`
	Descriptor int              `json:"descriptor,omitempty"`
	Target     string           `json:"target,omitempty"`
	OpenedAt   string           `json:"opened_at,omitempty"`
}

// A budgetStatus is the budget as the admin endpoint shows it; 0 is no bound.
type budgetStatus struct {
	Processes    int            `json:"processes"`
	MaxProcesses int            `json:"max_processes"`
	Memory       int64          `json:"memory"`
	MaxMemory    int64          `json:"max_memory"`
	Waiting      int            `json:"waiting"` // pools
	Tenants      map[string]int `json:"tenants"` // processes of each
}

func serveBudget(w http.ResponseWriter, r *http.Request) error {
	if err := onlyGet(r); err != nil {
		return err
	}
	s := registry.Budget()
	return serveJSON(w, budgetStatus{
		Processes: s.Used.Processes, MaxProcesses: s.Processes, Memory: s.Used.Memory, MaxMemory: s.Memory,
		Waiting: s.Waiting, Tenants: s.ByTenant,
	})
}

func onlyGet(r *http.Request) error {
	if r.Method != http.MethodGet {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("this can only be looked at: GET")}
	}
	return nil
}

func serveJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(value)
}

func servePools(w http.ResponseWriter, r *http.Request) error {
	if err := onlyGet(r); err != nil {
		return err
	}
	pools := []poolStatus{}
	for _, s := range registry.Snapshot() {
		pools = append(pools, statusOfPool(s))
	}
	return serveJSON(w, pools)
}

// serveAction does something with one pool. When it answers, it has been asked for; what
// came of it is in the log and among the pools.
func serveAction(w http.ResponseWriter, r *http.Request) error {
	actions := map[string]func(string) error{"retry": registry.Retry, "recycle": registry.Recycle}
	name, ident := r.PathValue("action"), r.PathValue("pool")
	action, ok := actions[name]
	if !ok {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("a pool cannot %q; it can retry or recycle", name)}
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("%s changes something: POST", name)}
	}
	switch err := action(ident); {
	case errors.Is(err, pool.ErrUnknown):
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("cannot %s %s: %w; GET /prefork_cgi/pools has all", name, ident, err)}
	case err != nil:
		return caddy.APIError{HTTPStatus: http.StatusConflict, Err: fmt.Errorf("cannot %s %s: %w", name, ident, err)}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func statusOfPool(s pool.Snapshot) poolStatus {
	status := poolStatus{
		Pool: s.Ident.String(), Script: s.Script,
		Mode: s.Info.Mode, Why: s.Info.Why, Note: s.Info.Note, Library: s.Info.Library, PID: s.Info.PID,
		AgeMS: milliseconds(s.Age), Running: s.Running, Parked: s.Parked, Waiting: s.Waiting,
		Streams: s.Streams, Tenant: s.Tenant, Share: s.Share,
		Setup: s.Setup, Failure: s.Failure, RetryMS: milliseconds(s.RetryIn), Loaded: s.Loaded,
	}
	for _, risk := range s.Info.Risks {
		status.Risks = append(status.Risks, riskStatus{risk.Kind, risk.String(), risk.FD, risk.Target, risk.Place})
	}
	return status
}

// Interface guards.
var _ caddy.AdminRouter = adminAPI{}
