package main

import (
	"os"
	"testing"
	"time"
)

func TestCountersAreOfWorkAndNotOfIdleness(t *testing.T) {
	got, err := parseCounters("cpu  10 1 20 1000 500 2 3 7 9 9\ncpu0 9 9 9 9 9 9 9 9 9 9\nintr 1 2\nprocesses 42\n")
	if want := (counters{cpu: 360 * time.Millisecond, forks: 42}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, text := range []string{"", "cpu 1 2 3 4 5 6 7\n", "processes 1\n", "cpu a 2 3 4 5 6 7\nprocesses 1\n"} {
		if _, err := parseCounters(text); err == nil {
			t.Errorf("%q is understood", text)
		}
	}
	if c, err := readCounters(); err != nil || c.forks == 0 || c.cpu == 0 {
		t.Errorf("of this machine: %+v, %v", c, err)
	}
}

func TestProcessTimeIsFoundBehindAnyName(t *testing.T) {
	got, err := parseProcess("7 (a) b (c)) S 1 7 7 0 -1 4194560 100 200 0 0 150 50 900 900 20 0 1 0")
	if err != nil || got != 2*time.Second {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseProcess("7 (a) S 1"); err == nil {
		t.Error("a line that is cut off is understood")
	}
	if _, err := processCPU(os.Getpid()); err != nil {
		t.Error(err)
	}
}
