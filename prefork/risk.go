package prefork

import (
	"fmt"
	"strconv"
	"strings"
)

// A RiskKind is what a [Risk] is of.
type RiskKind string

// Kinds of risks.
const (
	RiskSocket  RiskKind = "socket"
	RiskFile    RiskKind = "file open for writing"
	RiskThread  RiskKind = "thread"
	RiskProcess RiskKind = "process"
)

// A Risk is something that setup has left open in a server and that executors
// would share, or lack: a connection to a database on which all talk at once, a
// file whose offset is everybody's, threads that no executor has, a process that
// setup has started and that one request would have started each.
type Risk struct {
	Kind   RiskKind
	FD     int    // descriptor; 0 for a thread or a process
	Target string // what it leads to, such as a file or `TCP 127.0.0.1:5432`
	Place  string // where setup opened it, as file:line; empty if not known
	Count  int    // of threads beside the main one
}

// String names the risk for logs.
func (r Risk) String() string {
	text := string(r.Kind)
	switch r.Kind {
	case RiskThread:
		text = strconv.Itoa(r.Count) + " thread"
		if r.Count > 1 {
			text += "s"
		}
	case RiskProcess:
		text = "a process that setup has started still runs"
	default:
		text = fmt.Sprintf("descriptor %d is a %s, %s", r.FD, text, r.Target)
	}
	if r.Place != "" {
		text += ", opened at " + r.Place
	}
	return text
}

// describe lists risks in one line.
func describe(risks []Risk) string {
	list := make([]string, len(risks))
	for i, r := range risks {
		list[i] = r.String()
	}
	return strings.Join(list, "; ")
}

// An UnsafeError says that a script is not served because of what setup has left
// open, as [SafetyRefuse] wants it.
type UnsafeError struct {
	Script string
	Risks  []Risk
}

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("cannot serve %s: setup has left open what its executors would share: %s", e.Script, describe(e.Risks))
}
