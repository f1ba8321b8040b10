package caddymod

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
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

	// The first of these two alone: up to the end of the header. Default: as timeout.
	FirstByteTimeout caddy.Duration `json:"first_byte_timeout,omitempty"`

	// The second: from one byte of output to the next, and from the last one to the end of
	// the process. Default: as timeout.
	SilenceTimeout caddy.Duration `json:"silence_timeout,omitempty"`

	// How long a script may take altogether, from its call to the end of its process.
	// Default: no limit.
	RunTimeout caddy.Duration `json:"run_timeout,omitempty"`

	// How long after its call a script may go on by asking its library for more time. What goes
	// beyond is refused. Default: `1h`.
	MaxExtension caddy.Duration `json:"max_extension,omitempty"`

	// How long the client may send nothing of the request body; then it is answered with
	// 408, and the script ends. Default: as timeout.
	BodyTimeout caddy.Duration `json:"body_timeout,omitempty"`

	// The signal that asks a script to end: TERM, INT, HUP, QUIT, USR1 or USR2. When
	// grace_period is over KILL follows. With Debian's library it is always INT.
	// Default: `TERM`.
	StopSignal string `json:"stop_signal,omitempty"`

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

	// What becomes of a request body that comes without a length, in chunks or by HTTP/2 and
	// 3: `spool` keeps it until its end, so that CONTENT_LENGTH is right; `stream` starts the
	// script at once, without CONTENT_LENGTH, and it must read to the end of its input.
	// Default: `spool`.
	RequestBody string `json:"request_body,omitempty"`

	// Whether the words of a query without `=` are arguments of the script: `on` or `off`.
	// They are not if one begins with `-`. Default: `off`.
	QueryArgs string `json:"query_args,omitempty"`

	// How many bytes of a response that its client has not taken yet are spooled to a file, so
	// that the script can end and others have its place. When it is full the script waits for the
	// client, as without it. Event streams, and what has `X-Accel-Buffering: no`, are never
	// spooled. Default: off.
	ResponseSpool int64 `json:"response_spool,omitempty"`
}

// What the option request_body can be.
const (
	spooled  = "spool"
	streamed = "stream"
)

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
	defaultExtension  = time.Hour
	defaultSpoolLimit = 1 << 30
)

// or returns l with what it does not set taken from defaults. A timeout of its own
// outweighs what defaults has for parts of it.
func (l Limits) or(defaults Limits) Limits {
	if l.Timeout != 0 {
		defaults.FirstByteTimeout, defaults.SilenceTimeout, defaults.BodyTimeout = 0, 0, 0
	}
	return Limits{
		MaxConcurrent:    cmp.Or(l.MaxConcurrent, defaults.MaxConcurrent),
		Parked:           cmp.Or(l.Parked, defaults.Parked),
		MaxRequests:      cmp.Or(l.MaxRequests, defaults.MaxRequests),
		MaxAge:           cmp.Or(l.MaxAge, defaults.MaxAge),
		MaxGrowth:        cmp.Or(l.MaxGrowth, defaults.MaxGrowth),
		QueueSize:        cmp.Or(l.QueueSize, defaults.QueueSize),
		QueueWait:        cmp.Or(l.QueueWait, defaults.QueueWait),
		Streams:          cmp.Or(l.Streams, defaults.Streams),
		StreamAfter:      cmp.Or(l.StreamAfter, defaults.StreamAfter),
		Overload:         cmp.Or(l.Overload, defaults.Overload),
		StartTimeout:     cmp.Or(l.StartTimeout, defaults.StartTimeout),
		Timeout:          cmp.Or(l.Timeout, defaults.Timeout),
		FirstByteTimeout: cmp.Or(l.FirstByteTimeout, defaults.FirstByteTimeout),
		SilenceTimeout:   cmp.Or(l.SilenceTimeout, defaults.SilenceTimeout),
		RunTimeout:       cmp.Or(l.RunTimeout, defaults.RunTimeout),
		MaxExtension:     cmp.Or(l.MaxExtension, defaults.MaxExtension),
		BodyTimeout:      cmp.Or(l.BodyTimeout, defaults.BodyTimeout),
		StopSignal:       cmp.Or(l.StopSignal, defaults.StopSignal),
		IdleTimeout:      cmp.Or(l.IdleTimeout, defaults.IdleTimeout),
		GracePeriod:      cmp.Or(l.GracePeriod, defaults.GracePeriod),
		Reload:           cmp.Or(l.Reload, defaults.Reload),
		SpoolLimit:       cmp.Or(l.SpoolLimit, defaults.SpoolLimit),
		RequestBody:      cmp.Or(l.RequestBody, defaults.RequestBody),
		QueryArgs:        cmp.Or(l.QueryArgs, defaults.QueryArgs),
		ResponseSpool:    cmp.Or(l.ResponseSpool, defaults.ResponseSpool),
	}
}

// builtin are the defaults where neither directive nor global option says more.
var builtin = Limits{
	Timeout: caddy.Duration(defaultTimeout), MaxExtension: caddy.Duration(defaultExtension), StopSignal: "TERM",
	SpoolLimit: defaultSpoolLimit, Overload: http.StatusServiceUnavailable, RequestBody: spooled, QueryArgs: off,
}

// forPool returns what the pool enforces.
func (l Limits) forPool() pool.Limits {
	signal, _ := prefork.StopSignal(l.StopSignal) // it has been validated
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
		StopSignal:    signal,
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
	if _, err := prefork.StopSignal(l.StopSignal); err != nil {
		return err
	}
	if l.RequestBody != "" && l.RequestBody != spooled && l.RequestBody != streamed {
		return fmt.Errorf("request_body is %q; it can be spool or stream", l.RequestBody)
	}
	if l.QueryArgs != "" && l.QueryArgs != on && l.QueryArgs != off {
		return fmt.Errorf("query_args is %q; it can be on or off", l.QueryArgs)
	}
	switch pool.Reload(l.Reload) {
	case "", pool.Strict, pool.Stale, pool.Off:
		return nil
	}
	return fmt.Errorf("reload is %q; it can be strict, stale or off", l.Reload)
}
