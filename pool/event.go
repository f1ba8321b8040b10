package pool

import (
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// A Kind is what has happened.
type Kind string

const (
	// Launched: a server is ready, or a cold script may be executed. Has Info, Took.
	Launched Kind = "launched"
	// LaunchFailed: setup has failed. Has Err, Took, RetryIn; Kept when an older
	// server goes on serving.
	LaunchFailed Kind = "launch failed"
	// CrashLoop: what the script has become is killed again and again, before it has
	// served a call. Has Info, Err, RetryIn.
	CrashLoop Kind = "crash loop"
	// NotMade: a server cannot make executors. It is told once, until it can again. Has Info, Err.
	NotMade Kind = "executor not made"
	// Recycled: a server takes no new calls, for Reason.
	Recycled Kind = "recycled"
	// Exited: a server is gone, for Reason. Has Info.
	Exited Kind = "exited"
	// Wrote: the script wrote a Line to setup's stderr.
	Wrote Kind = "wrote"
	// Noted: a script's library says something for an administrator, in Line.
	Noted Kind = "noted"
	// WatchFailed: sources cannot be watched, so changes are only seen when a
	// request looks. Has Err.
	WatchFailed Kind = "watch failed"
)

// A Reason is why a server was recycled or has ended.
type Reason string

// Reasons.
const (
	Idle    Reason = "idle"
	Changed Reason = "changed"
	Ended   Reason = "ended"   // by itself, or killed; not by us
	Retired Reason = "retired" // no configuration wants it
	Evicted Reason = "evicted" // others need its part of the budget more
	Asked   Reason = "asked"   // by an administrator
	Crashed Reason = "crashed" // its executors are killed again and again
)

// An Event is something that has happened in a pool. Fields that its kind does
// not have are zero.
type Event struct {
	Kind    Kind
	Script  string
	Ident   Ident
	Info    prefork.Info
	Reason  Reason
	Took    time.Duration
	RetryIn time.Duration
	Kept    bool
	Line    string
	Err     error
}

// An Observer is told of events. It is called by the goroutine that owns the
// pool, so it must be quick and must not call the pool.
type Observer func(Event)
