package prefork

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stopSignals may ask a script to end.
var stopSignals = []string{"TERM", "INT", "HUP", "QUIT", "USR1", "USR2"}

// StopSignal returns the signal of a name such as TERM or SIGTERM, if it may ask a
// script to end; zero for an empty name.
func StopSignal(name string) (syscall.Signal, error) {
	short := strings.TrimPrefix(name, "SIG")
	if name != "" && !slices.Contains(stopSignals, short) {
		return 0, fmt.Errorf("stop_signal is %q; it can be %s", name, strings.Join(stopSignals, ", "))
	}
	return unix.SignalNum("SIG" + short), nil
}
