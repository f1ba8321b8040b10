// Package leak lets a test show that nothing of it is left: no process, no
// descriptor, no goroutine.
package leak

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long the end of a test waits for what is about to end anyway.
const patience = 10 * time.Second

// Check has the test fail at its end if it left processes that work on files in
// folder, children, open descriptors or goroutines behind. Call it first, so
// that it looks after all other clean-up.
func Check(tb testing.TB, folder string) {
	tb.Helper()
	before := descriptors()
	ignore := goleak.IgnoreCurrent()
	tb.Cleanup(func() {
		await(tb, func() error { return noProcesses(folder) })
		await(tb, noChildren)
		await(tb, func() error { return noNewDescriptors(before) })
		if err := goleak.Find(ignore); err != nil {
			tb.Error(err)
		}
	})
}

// CheckProcesses is the part of Check that looks at processes of folder and at
// nothing else, for tests that run beside others.
func CheckProcesses(tb testing.TB, folder string) {
	tb.Helper()
	tb.Cleanup(func() { await(tb, func() error { return noProcesses(folder) }) })
}

// Processes returns those whose command line names folder, as "pid: command".
func Processes(folder string) []string {
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), folder) {
			pid := strings.Split(file, "/")[2]
			found = append(found, pid+": "+strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " "))
		}
	}
	return found
}

// A Stat is what /proc says of a process, whose numbers are as there.
type Stat struct {
	State                  string // R, S, Z and so on; empty if there is no such process
	Parent, Group, Session string
}

// Running reports whether the process is there and no zombie.
func (s Stat) Running() bool { return s.State != "" && s.State != "Z" }

// StatOf looks at the process with a number.
func StatOf(pid string) Stat {
	text, _ := os.ReadFile("/proc/" + pid + "/stat")
	// The command, in parentheses, may contain anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 4 {
		return Stat{}
	}
	return Stat{fields[0], fields[1], fields[2], fields[3]}
}

func noProcesses(folder string) error {
	if folder == "" {
		return nil
	}
	if left := Processes(folder); len(left) > 0 {
		return fmt.Errorf("processes are left: %q", left)
	}
	return nil
}

func noChildren() error {
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, file := range files {
		if children, err := os.ReadFile(file); err == nil && len(children) > 0 {
			return fmt.Errorf("children are left: %s", children)
		}
	}
	return nil
}

// descriptors returns what this process has open, by number.
func descriptors() map[string]string {
	open := map[string]string{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			open[entry.Name()] = target
		}
	}
	return open
}

func noNewDescriptors(before map[string]string) error {
	var left []string
	for number, target := range descriptors() {
		_, known := before[number]
		// The runtime opens its poller once, and /dev/null is opened once for all.
		if !known && !strings.HasPrefix(target, "anon_inode:[event") && target != os.DevNull {
			left = append(left, number+" "+target)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("descriptors are left: %q", left)
	}
	return nil
}

// await repeats a check until it holds or patience is at its end.
func await(tb testing.TB, check func() error) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	err := check()
	for ; err != nil && time.Now().Before(deadline); err = check() {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		tb.Error(err)
	}
}
