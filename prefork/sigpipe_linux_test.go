package prefork

import (
	"os/signal"
	"syscall"
	"testing"
)

// ignoreSIGPIPE does for a test what Caddy does for its process.
func ignoreSIGPIPE(t *testing.T) {
	t.Helper()
	signal.Ignore(syscall.SIGPIPE)
	t.Cleanup(func() { signal.Reset(syscall.SIGPIPE) })
}
