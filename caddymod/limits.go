package caddymod

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
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

	// How many executors of a script wait for requests that have not come yet.
	Parked Parked `json:"parked,omitzero"`

	// How many requests an executor serves, one after the other: more than one if the
	// script asks the library for the next one, or if `reuse` is on.
	// Default: `1`, a process of its own for each request.
	MaxRequests int `json:"max_requests,omitempty"`

	// How old an executor may become that serves more than one. Default: `1h`.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// How many bytes it may grow after its first request. Default: `67108864` (64 MiB).
	MaxGrowth int64 `json:"max_growth,omitempty"`

	// How many requests may wait for a free executor. A further one is answered
	// with 503 at once; so is every one if this is negative. Default: `64`.
	QueueSize int `json:"queue_size,omitempty"`

	// How long a request may wait there before it is answered with 503.
	// Default: `10s`.
	QueueWait caddy.Duration `json:"queue_wait,omitempty"`

	// How many responses may go on for longer than `stream_after` without one of the places of
	// `max_concurrent`: event streams and the like. Default: as many as `max_concurrent`.
	Streams int `json:"streams,omitempty"`

	// How long a response that has begun keeps such a place, where others wait for it.
	// Default: `10s`.
	StreamAfter caddy.Duration `json:"stream_after,omitempty"`

	// The status of the answer to a request that cannot be served because of others.
	// Default: `503`.
	Overload int `json:"overload,omitempty"`

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

// Parked says how many executors wait, while a script is in use, for requests that
// have not come yet: as many as the requests of the last seconds have needed.
type Parked struct {
	// At least so many. Default: none.
	Min int `json:"min,omitempty"`

	// At most so many. Default: as many as may run at once. Negative: none.
	Max int `json:"max,omitempty"`

	// Whether executors of scripts with Debian's library may wait too. It looks for
	// changed modules when it makes one, so a later change of a file that is neither the
	// script nor watched is missed until the next executor. Default: `false`.
	V1 bool `json:"v1,omitempty"`
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
		Parked:        cmp.Or(l.Parked, defaults.Parked),
		MaxRequests:   cmp.Or(l.MaxRequests, defaults.MaxRequests),
		MaxAge:        cmp.Or(l.MaxAge, defaults.MaxAge),
		MaxGrowth:     cmp.Or(l.MaxGrowth, defaults.MaxGrowth),
		QueueSize:     cmp.Or(l.QueueSize, defaults.QueueSize),
		QueueWait:     cmp.Or(l.QueueWait, defaults.QueueWait),
		Streams:       cmp.Or(l.Streams, defaults.Streams),
		StreamAfter:   cmp.Or(l.StreamAfter, defaults.StreamAfter),
		Overload:      cmp.Or(l.Overload, defaults.Overload),
		StartTimeout:  cmp.Or(l.StartTimeout, defaults.StartTimeout),
		Timeout:       cmp.Or(l.Timeout, defaults.Timeout),
		IdleTimeout:   cmp.Or(l.IdleTimeout, defaults.IdleTimeout),
		GracePeriod:   cmp.Or(l.GracePeriod, defaults.GracePeriod),
		Reload:        cmp.Or(l.Reload, defaults.Reload),
		SpoolLimit:    cmp.Or(l.SpoolLimit, defaults.SpoolLimit),
	}
}

// builtin are the defaults where neither directive nor global option says more.
var builtin = Limits{
	Timeout: caddy.Duration(defaultTimeout), SpoolLimit: defaultSpoolLimit, Overload: http.StatusServiceUnavailable,
}

// forPool returns what the pool enforces.
func (l Limits) forPool() pool.Limits {
	return pool.Limits{
		MaxConcurrent: l.MaxConcurrent,
		ParkedMin:     l.Parked.Min,
		ParkedMax:     l.Parked.Max,
		ParkV1:        l.Parked.V1,
		MaxRequests:   l.MaxRequests,
		MaxAge:        time.Duration(l.MaxAge),
		MaxGrowth:     l.MaxGrowth,
		QueueSize:     l.QueueSize,
		QueueWait:     time.Duration(l.QueueWait),
		Streams:       l.Streams,
		StreamAfter:   time.Duration(l.StreamAfter),
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
	if l.MaxRequests < 0 {
		return errors.New("max_requests cannot be off: a process that serves for ever keeps what every request has left in it")
	}
	if l.Parked.Min < 0 || l.Parked.Max > 0 && l.Parked.Min > l.Parked.Max {
		return fmt.Errorf("parked: from %d to %d is no range", l.Parked.Min, l.Parked.Max)
	}
	if l.Overload != 0 && (l.Overload < 400 || l.Overload > 599) {
		return fmt.Errorf("overload is %d; it must be the status of an error, such as 503 or 429", l.Overload)
	}
	switch pool.Reload(l.Reload) {
	case "", pool.Strict, pool.Stale, pool.Off:
		return nil
	}
	return fmt.Errorf("reload is %q; it can be strict, stale or off", l.Reload)
}

// limitNames are what Limits.unmarshal knows.
const limitNames = "max_concurrent, parked, max_requests, queue, streams, overload, start_timeout, timeout, idle_timeout, grace_period, reload, spool_limit"

// unmarshal reads a limit; known is false if the word is none.
func (l *Limits) unmarshal(d *caddyfile.Dispenser) (known bool, err error) {
	switch d.Val() {
	case "max_concurrent":
		err = value(d, &l.MaxConcurrent, parseCount)
	case "parked":
		err = l.unmarshalParked(d)
	case "max_requests":
		err = l.unmarshalRequests(d)
	case "queue":
		err = l.unmarshalQueue(d)
	case "streams":
		err = l.unmarshalStreams(d)
	case "overload":
		err = value(d, &l.Overload, func(word string) (int, error) { return parseNumber(word, 1) })
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

// unmarshalParked reads `parked <min> <max> [v1]` or `parked off`.
func (l *Limits) unmarshalParked(d *caddyfile.Dispenser) (err error) {
	words := d.RemainingArgs()
	if l.Parked.Max != 0 {
		return d.Err("parked is given twice")
	}
	if len(words) == 1 && words[0] == off {
		l.Parked.Max = -1
		return nil
	}
	if len(words) == 3 && words[2] == "v1" {
		l.Parked.V1 = true
		words = words[:2]
	}
	if len(words) != 2 {
		return d.Err("parked wants the least and the largest number, and v1 if executors of Debian's library may be parked; or off")
	}
	if l.Parked.Min, err = parseNumber(words[0], 0); err == nil {
		l.Parked.Max, err = parseNumber(words[1], 1)
	}
	if err != nil {
		return d.Errf("parked: %v", err)
	}
	return nil
}

// unmarshalRequests reads `max_requests <number> [<age> [<growth>]]`.
func (l *Limits) unmarshalRequests(d *caddyfile.Dispenser) (err error) {
	words := d.RemainingArgs()
	if len(words) == 0 || len(words) > 3 {
		return d.ArgErr()
	}
	if l.MaxRequests != 0 {
		return d.Err("max_requests is given twice")
	}
	l.MaxRequests, err = parseNumber(words[0], 1)
	if len(words) > 1 && err == nil {
		l.MaxAge, err = parseDuration(words[1])
	}
	if len(words) > 2 && err == nil {
		l.MaxGrowth, err = parseSize(words[2])
	}
	if err != nil {
		return d.Errf("max_requests: %v", err)
	}
	return nil
}

// unmarshalStreams reads `streams <number>|off [<after>]`.
func (l *Limits) unmarshalStreams(d *caddyfile.Dispenser) (err error) {
	words := d.RemainingArgs()
	if len(words) == 0 || len(words) > 2 {
		return d.ArgErr()
	}
	if l.Streams != 0 {
		return d.Err("streams is given twice")
	}
	l.Streams, err = parseCount(words[0])
	if len(words) > 1 && err == nil {
		l.StreamAfter, err = parseDuration(words[1])
	}
	if err != nil {
		return d.Errf("streams: %v", err)
	}
	return nil
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
