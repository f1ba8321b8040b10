package pool

import (
	"syscall"
	"time"
)

// Limits bound a pool. A zero field is its default; a negative one is no limit,
// or none of it.
type Limits struct {
	// MaxConcurrent is how many executors may run at once. Default: 4.
	MaxConcurrent int

	// QueueSize is how many requests may wait for one of them. Default: 64.
	QueueSize int

	// QueueWait is how long each of those may wait. Default: 10s.
	QueueWait time.Duration

	// StartTimeout is how long setup may take. Default: 30s.
	StartTimeout time.Duration

	// IdleTimeout is how long a pool stays after its last call. Default: 10m.
	IdleTimeout time.Duration

	// Grace is how long what was asked to end may take before it is killed.
	// Default: 5s.
	Grace time.Duration

	// StopSignal is what asks an executor to end before it is killed. Default: SIGTERM.
	// Executors of protocol v1 get SIGINT always.
	StopSignal syscall.Signal

	// ParkedMin and ParkedMax bound how many executors wait for requests that have
	// not come yet, while the pool is in use. Defaults: none, and MaxConcurrent.
	ParkedMin, ParkedMax int

	// ParkV1 parks executors of protocol v1 too. Its library looks for changed
	// modules when it makes an executor, so those that change later are missed.
	ParkV1 bool

	// MaxRequests is how many requests an executor may have, one after the other, if
	// the script's library can do that. Default: 1, a process of its own for each.
	MaxRequests int

	// MaxAge and MaxGrowth are when an executor that has had requests has no more of
	// them: how old it is, and by how many bytes of memory it has grown since its
	// first. Defaults: 1h, 64 MiB.
	MaxAge    time.Duration
	MaxGrowth int64

	// Streams is how many responses may go on for longer than StreamAfter without one
	// of the MaxConcurrent places. Defaults: MaxConcurrent, and 10s.
	Streams     int
	StreamAfter time.Duration

	// Reload is what happens when a source file has changed. Default: strict.
	Reload Reload
}

// Reload is a policy for changed sources.
type Reload string

const (
	// Strict serves nothing old: requests after the change wait for the new server.
	Strict Reload = "strict"
	// Stale serves the old server until the new one is ready, and keeps it when
	// the new one fails.
	Stale Reload = "stale"
	// Off never looks.
	Off Reload = "off"
)

// forever stands for no limit.
const forever = time.Duration(1<<63 - 1)

// WithDefaults returns l with defaults for what is zero, and the largest number for
// what is negative, except for QueueSize.
func (l Limits) WithDefaults() Limits {
	if l.MaxConcurrent == 0 {
		l.MaxConcurrent = 4
	}
	if l.MaxConcurrent < 0 {
		l.MaxConcurrent = int(^uint(0) >> 1)
	}
	if l.QueueSize == 0 {
		l.QueueSize = 64
	}
	switch {
	case l.ParkedMax == 0:
		l.ParkedMax = l.MaxConcurrent
	case l.ParkedMax < 0:
		l.ParkedMax = 0
	}
	l.ParkedMin = min(max(l.ParkedMin, 0), l.ParkedMax)
	l.MaxRequests = max(l.MaxRequests, 1)
	switch {
	case l.Streams == 0:
		l.Streams = l.MaxConcurrent
	case l.Streams < 0:
		l.Streams = 0
	}
	l.StreamAfter = limit(l.StreamAfter, 10*time.Second)
	l.MaxAge = limit(l.MaxAge, time.Hour)
	if l.MaxGrowth == 0 {
		l.MaxGrowth = 64 << 20
	}
	l.QueueWait = limit(l.QueueWait, 10*time.Second)
	l.StartTimeout = limit(l.StartTimeout, 30*time.Second)
	l.IdleTimeout = limit(l.IdleTimeout, 10*time.Minute)
	l.Grace = limit(l.Grace, 5*time.Second)
	if l.StopSignal == 0 {
		l.StopSignal = syscall.SIGTERM
	}
	if l.Reload == "" {
		l.Reload = Strict
	}
	return l
}

func limit(d, byDefault time.Duration) time.Duration {
	switch {
	case d == 0:
		return byDefault
	case d < 0:
		return forever
	}
	return d
}
