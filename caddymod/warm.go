package caddymod

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// Warming says how scripts become warm. It is part of what makes a pool.
type Warming struct {
	// How scripts become warm. `auto`: a script that calls the library is warm from
	// that call on, and one in Perl, Python or Ruby from where its own work
	// begins. `explicit`: only the former. `off`: none. Default: `auto`.
	Warm string `json:"warm,omitempty"`

	// Modules that are loaded in setup beside those that a script loads itself.
	Preload []string `json:"preload,omitempty"`

	// Which library scripts find that call one: the one that is `bundled` with this
	// module, or one that is `installed`. Default: `bundled`.
	Library string `json:"library,omitempty"`

	// Whether a script that knows nothing of the library may be run again in the same
	// process, `on`, if `max_requests` allows it more than one request. What it does to
	// its process is then put back as far as that can be done. Default: `off`.
	Reuse string `json:"reuse,omitempty"`

	// What happens when setup has left open what its executors would share, such
	// as a connection to a database: `warn` of it, serve the script `cold`, or
	// `refuse` to serve it. Default: `warn`.
	ForkSafety string `json:"fork_safety,omitempty"`
}

// What the options library and reuse can be.
const (
	bundled   = "bundled"
	installed = "installed"
	on        = "on"
)

// check refuses words that mean nothing.
func (w Warming) check() error {
	for _, name := range w.Preload {
		if !prefork.IsModuleName(name) {
			return fmt.Errorf("preload: %q is not the name of a module", name)
		}
	}
	switch prefork.Warm(w.Warm) {
	case "", prefork.WarmAuto, prefork.WarmExplicit, prefork.WarmOff:
	default:
		return fmt.Errorf("warm is %q; it can be auto, explicit or off", w.Warm)
	}
	switch w.Library {
	case "", bundled, installed:
	default:
		return fmt.Errorf("library is %q; it can be bundled or installed", w.Library)
	}
	switch w.Reuse {
	case "", on, off:
	default:
		return fmt.Errorf("reuse is %q; it can be on or off", w.Reuse)
	}
	switch prefork.ForkSafety(w.ForkSafety) {
	case "", prefork.SafetyWarn, prefork.SafetyCold, prefork.SafetyRefuse:
		return nil
	}
	return fmt.Errorf("fork_safety is %q; it can be warn, cold or refuse", w.ForkSafety)
}

// warmingNames are what Warming.unmarshal knows.
const warmingNames = "warm, preload, library, fork_safety, reuse"

// unmarshal reads one subdirective; known is false if the word is none of these.
func (w *Warming) unmarshal(d *caddyfile.Dispenser) (known bool, err error) {
	switch d.Val() {
	case "warm":
		err = one(d, &w.Warm)
	case "preload":
		err = some(d, &w.Preload)
	case "library":
		err = one(d, &w.Library)
	case "fork_safety":
		err = one(d, &w.ForkSafety)
	case "reuse":
		err = one(d, &w.Reuse)
	default:
		return false, nil
	}
	return true, err
}

// command adds to a command what is said here.
func (w Warming) command(c prefork.Command) prefork.Command {
	c.Warm, c.Preload = prefork.Warm(w.Warm), w.Preload
	c.Reuse = w.Reuse == on
	c.Installed, c.ForkSafety = w.Library == installed, prefork.ForkSafety(w.ForkSafety)
	return c
}
