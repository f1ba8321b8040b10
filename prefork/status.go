package prefork

import (
	"strconv"
	"time"
)

// A Status is how an executor ended.
type Status struct {
	// Known is false when nobody could tell: the process that would have
	// reported the status was killed, or it reported the SIGINT that it sent by
	// itself (see call.wait).
	Known bool

	// Lost is true when the status is not known because the reporter died. What
	// the executor wrote may be incomplete.
	Lost bool

	// Code is the exit code, 0 to 255; 0 after a signal.
	Code int

	// Signal is the number of the signal that ended it; 0 after an exit.
	Signal int

	// Usage is what the executor and the children that it waited for have used;
	// nil if nobody has measured it, as under protocol v1.
	Usage *Usage
}

// Usage is what one execution has cost.
type Usage struct {
	User, System time.Duration // CPU time
	PeakMemory   int64         // largest resident set, in bytes, what is shared with the server included; -1 if not known
}

// Crashed reports whether the executor was ended by something other than
// itself, so that what it wrote cannot be taken for complete.
func (s Status) Crashed() bool { return s.Lost || s.Signal != 0 }

// String returns the exit code in decimal, or the name of the signal, or
// "unknown". It is what users see in logs and in the exit_status placeholder.
func (s Status) String() string {
	switch {
	case !s.Known:
		return "unknown"
	case s.Signal != 0:
		return signalName(s.Signal)
	default:
		return strconv.Itoa(s.Code)
	}
}
