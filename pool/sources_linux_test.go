package pool

import (
	"syscall"
	"testing"
)

func TestPipeInATreeIsNotOpened(t *testing.T) {
	d := newTree(t)
	d.must(syscall.Mkfifo(d.path("pipe"), 0o600)) // to open it would wait for a writer
	if !takeSources([]string{d.root}).same() {
		t.Error("not the same")
	}
}
