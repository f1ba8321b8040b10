package caddymod

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/prefork-cgi/prefork-cgi/pool"
)

// Budget bounds what all scripts have together. Where it is used up, executors that nobody
// waits for end first, then servers that have nothing to do, the least useful first. Who
// needs more waits, and what comes free goes to the tenant that has least for its weight.
type Budget struct {
	// How many processes there may be at once: servers, setups and executors. A negative value
	// means no limit. Default: 64 for each processor, and not less than `256`.
	MaxProcesses int `json:"max_processes,omitempty"`

	// How many bytes of memory they may need: what a server has for itself, and what executors have
	// needed beside that. A negative value means no limit. Default: half of what the machine,
	// or the control group that Caddy runs in, allows.
	MaxMemory int64 `json:"max_memory,omitempty"`
}

// fewestProcesses is the least budget: protocol v1 needs three for one request.
const fewestProcesses = 4

// check refuses a budget with which nothing could be served.
func (b Budget) check() error {
	if b.MaxProcesses > 0 && b.MaxProcesses < fewestProcesses {
		return fmt.Errorf("max_processes is %d; it must be at least %d, or nothing could be served", b.MaxProcesses, fewestProcesses)
	}
	return nil
}

// forPools returns what the registry enforces.
func (b Budget) forPools() pool.Budget {
	budget := pool.Budget{Processes: max(b.MaxProcesses, 0), Memory: max(b.MaxMemory, 0)}
	if b.MaxProcesses == 0 {
		budget.Processes = max(64*runtime.NumCPU(), 256)
	}
	if b.MaxMemory == 0 {
		budget.Memory = availableMemory() / 2
	}
	return budget
}

// availableMemory returns how many bytes this process may use; 0 if nobody knows.
func availableMemory() int64 {
	memory, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
	if err != nil || memory > 1<<62 {
		return 0
	}
	return int64(memory)
}

// Tenant is on whose account the processes of a handler are.
type Tenant struct {
	// Handlers with the same name share. Default: the folder of the scripts.
	Name string `json:"name,omitempty"`

	// How much it may have where others want it, too: twice as much as one with
	// half the weight. Default: `1`.
	Weight int `json:"weight,omitempty"`
}

// unmarshal reads `tenant <name> [<weight>]`.
func (t *Tenant) unmarshal(d *caddyfile.Dispenser) (err error) {
	words := d.RemainingArgs()
	if len(words) == 0 || len(words) > 2 {
		return d.ArgErr()
	}
	if t.Name != "" {
		return d.Err("tenant is given twice")
	}
	t.Name = words[0]
	if len(words) == 2 {
		if t.Weight, err = parseNumber(words[1], 1); err != nil {
			return d.Errf("tenant: %v", err)
		}
	}
	return nil
}

func (t Tenant) validate() error {
	if t.Weight < 0 {
		return errors.New("tenant: the weight must be 1 or more")
	}
	return nil
}

// budgetNames are what Budget.unmarshal knows.
const budgetNames = "max_processes, max_memory"

// unmarshal reads a global option; known is false if the word is none of these.
func (b *Budget) unmarshal(d *caddyfile.Dispenser) (known bool, err error) {
	switch d.Val() {
	case "max_processes":
		err = value(d, &b.MaxProcesses, parseCount)
	case "max_memory":
		err = value(d, &b.MaxMemory, parseSize)
	default:
		return false, nil
	}
	return true, err
}
