package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

func TestKeeperEndsWhatHasLeftItsParent(t *testing.T) {
	folder := t.TempDir()
	leak.Check(t, folder)
	k, err := newKeeper(filepath.Join(folder, "log"), "PLACE="+folder)
	if err != nil {
		t.Fatal(err)
	}
	// The shell ends, and its grandchild has a session of its own.
	script := `(setsid sh -c 'echo $$ >$PLACE/pid.new; mv $PLACE/pid.new $PLACE/pid; exec sleep 600' &)`
	if _, err = k.start("sh", "-c", script); err != nil {
		t.Fatal(err)
	}
	var pid []byte
	for range 500 {
		if pid, err = os.ReadFile(filepath.Join(folder, "pid")); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	k.stop()
	if err != nil || leak.StatOf(strings.TrimSpace(string(pid))).Running() {
		t.Errorf("process %q runs, %v", pid, err)
	}
}

func TestProgramsAreFoundWithTheirVersion(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"tool8.2", "tool-helper"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder)
	if path, err := find("tool"); err != nil || path != filepath.Join(folder, "tool8.2") {
		t.Errorf("found %q, %v", path, err)
	}
	if _, err := find("tool-h"); err == nil {
		t.Error("half a name is found")
	}
}
