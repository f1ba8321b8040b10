package caddymod

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/prefork-cgi/prefork-cgi/pool"
)

// Limits bound the processes of each script. A field that is not set has the
// value of the global option, and else the default named here. A negative value
// means no limit.
type Limits struct {
	// How many executors of a script may run at once. Further requests wait in
	// the queue. Default: `4`.
	MaxConcurrent int `json:"max_concurrent,omitempty"`

	// How many requests may wait for a free executor. A further one is answered
	// with 503 at once; so is every one if this is negative. Default: `64`.
	QueueSize int `json:"queue_size,omitempty"`

	// How long a request may wait there before it is answered with 503.
	// Default: `10s`.
	QueueWait caddy.Duration `json:"queue_wait,omitempty"`

	// How long the script may take up to its fork point before it is killed
	// and those who wait for it are answered with 504. Default: `30s`.
	StartTimeout caddy.Duration `json:"start_timeout,omitempty"`

	// How long a script may take from its call to the end of its response
	// header, and then from one byte of output to the next. Reading the request
	// body counts as a sign of life. Default: `60s`.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// How long the processes of a script stay after its last request.
	// Default: `10m`.
	IdleTimeout caddy.Duration `json:"idle_timeout,omitempty"`

	// How long what was asked to end may take before it is killed. Default: `5s`.
	GracePeriod caddy.Duration `json:"grace_period,omitempty"`

	// What happens when a source file has changed: `strict` serves nothing old;
	// `stale` serves the old server until the new one is ready, and keeps it
	// if the new one fails; `off` does not look. Default: `strict`.
	Reload string `json:"reload,omitempty"`

	// How many bytes of a request body that comes without a length are spooled,
	// since a script must know the length before it starts. A longer one is
	// answered with 413. Default: `1073741824` (1 GiB).
	SpoolLimit int64 `json:"spool_limit,omitempty"`
}

// The defaults of what this package enforces itself; pool.Limits has the others.
const (
	defaultTimeout    = 60 * time.Second
	defaultSpoolLimit = 1 << 30
)

// or returns l with what it does not set taken from defaults.
func (l Limits) or(defaults Limits) Limits {
	return Limits{
		MaxConcurrent: cmp.Or(l.MaxConcurrent, defaults.MaxConcurrent),
		QueueSize:     cmp.Or(l.QueueSize, defaults.QueueSize),
		QueueWait:     cmp.Or(l.QueueWait, defaults.QueueWait),
		StartTimeout:  cmp.Or(l.StartTimeout, defaults.StartTimeout),
		Timeout:       cmp.Or(l.Timeout, defaults.Timeout),
		IdleTimeout:   cmp.Or(l.IdleTimeout, defaults.IdleTimeout),
		GracePeriod:   cmp.Or(l.GracePeriod, defaults.GracePeriod),
		Reload:        cmp.Or(l.Reload, defaults.Reload),
		SpoolLimit:    cmp.Or(l.SpoolLimit, defaults.SpoolLimit),
	}
}

// builtin are the defaults where neither directive nor global option says more.
var builtin = Limits{Timeout: caddy.Duration(defaultTimeout), SpoolLimit: defaultSpoolLimit}

// forPool returns what the pool enforces.
func (l Limits) forPool() pool.Limits {
	return pool.Limits{
		MaxConcurrent: l.MaxConcurrent,
		QueueSize:     l.QueueSize,
		QueueWait:     time.Duration(l.QueueWait),
		StartTimeout:  time.Duration(l.StartTimeout),
		IdleTimeout:   time.Duration(l.IdleTimeout),
		Grace:         time.Duration(l.GracePeriod),
		Reload:        pool.Reload(l.Reload),
	}
}

// validate refuses what has no meaning.
func (l Limits) validate() error {
	if l.GracePeriod < 0 {
		return errors.New("grace_period cannot be off: what does not end must be killed at some time")
	}
	switch pool.Reload(l.Reload) {
	case "", pool.Strict, pool.Stale, pool.Off:
		return nil
	}
	return fmt.Errorf("reload is %q; it can be strict, stale or off", l.Reload)
}

// limitNames are what Limits.unmarshal knows.
const limitNames = "max_concurrent, queue, start_timeout, timeout, idle_timeout, grace_period, reload, spool_limit"

// unmarshal reads a limit; known is false if the word is none.
func (l *Limits) unmarshal(d *caddyfile.Dispenser) (known bool, err error) {
	switch d.Val() {
	case "max_concurrent":
		err = value(d, &l.MaxConcurrent, parseCount)
	case "queue":
		err = l.unmarshalQueue(d)
	case "start_timeout":
		err = value(d, &l.StartTimeout, parseDuration)
	case "timeout":
		err = value(d, &l.Timeout, parseDuration)
	case "idle_timeout":
		err = value(d, &l.IdleTimeout, parseDuration)
	case "grace_period":
		err = value(d, &l.GracePeriod, parseDuration)
	case "reload":
		err = one(d, &l.Reload)
	case "spool_limit":
		err = value(d, &l.SpoolLimit, parseSize)
	default:
		return false, nil
	}
	return true, err
}

func (l *Limits) unmarshalQueue(d *caddyfile.Dispenser) error {
	words := d.RemainingArgs()
	if len(words) == 0 || len(words) > 2 {
		return d.ArgErr()
	}
	if l.QueueSize != 0 {
		return d.Err("queue is given twice")
	}
	var err error
	if l.QueueSize, err = parseQueueSize(words[0]); err != nil {
		return d.Errf("queue: %v", err)
	}
	if len(words) == 2 {
		if l.QueueWait, err = parseDuration(words[1]); err != nil {
			return d.Errf("queue: %v", err)
		}
	}
	return nil
}
