package prefork

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrGone says that the process ended before it took the request.
var ErrGone = errors.New("the server is gone")

// ErrUnsupported says that this operating system has not what the module needs.
var ErrUnsupported = errors.New("prefork_cgi needs Linux 5.10 or later")

// A StartError says that a program could not be executed at all.
type StartError struct {
	Script string
	Err    error  // what execve said
	Hint   string // what to look at; may be empty
}

func (e *StartError) Error() string {
	text := fmt.Sprintf("cannot start %s: %v", e.Script, e.Err)
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

func (e *StartError) Unwrap() error { return e.Err }

// A SetupError says that a script ended, or took too long, before
// initialisation was complete.
type SetupError struct {
	Script   string
	TimedOut bool   // the start limit was reached and setup was killed
	Status   Status // how setup ended; not known when it timed out
	Stderr   []byte // what the script wrote to stderr, at most captureLimit bytes
}

func (e *SetupError) Error() string {
	reason := "exit status " + e.Status.String()
	switch {
	case e.TimedOut:
		reason = "it exceeded the start_timeout"
	case e.Status.Signal != 0:
		reason = "ended by " + e.Status.String()
	}
	text := fmt.Sprintf("cannot set up %s: %s", e.Script, reason)
	if said := bytes.TrimSpace(e.Stderr); len(said) > 0 {
		text += ": " + string(said)
	}
	return text
}
