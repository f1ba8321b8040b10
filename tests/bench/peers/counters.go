package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc, on every machine.
const tick = 10 * time.Millisecond

// Counters are of the whole machine, since it started.
type counters struct {
	cpu   time.Duration // not idle
	forks int           // processes and threads
}

// readCounters reads /proc/stat.
func readCounters() (counters, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return counters{}, err
	}
	return parseCounters(string(text))
}

// busy returns how many CPUs of the machine work now, while this process waits.
func busy(d time.Duration) (float64, error) {
	before, err := readCounters()
	if err != nil {
		return 0, err
	}
	time.Sleep(d)
	after, err := readCounters()
	return (after.cpu - before.cpu).Seconds() / d.Seconds(), err
}

// parseCounters reads the line of all CPUs - user, nice, system, idle, iowait, irq,
// softirq, and what belongs to others - and that of forks.
func parseCounters(text string) (c counters, err error) {
	seen := 0
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 8 && fields[0] == "cpu":
			seen++
			for _, i := range []int{1, 2, 3, 6, 7} {
				var n int64
				if n, err = strconv.ParseInt(fields[i], 10, 64); err != nil {
					return counters{}, err
				}
				c.cpu += time.Duration(n) * tick
			}
		case len(fields) == 2 && fields[0] == "processes":
			seen++
			if c.forks, err = strconv.Atoi(fields[1]); err != nil {
				return counters{}, err
			}
		}
	}
	if seen != 2 {
		return counters{}, fmt.Errorf("/proc/stat has no line of all CPUs, or none of processes: %q", text)
	}
	return c, nil
}

// processCPU returns the CPU time of a process, without its children.
func processCPU(pid int) (time.Duration, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	return parseProcess(string(text))
}

// parseProcess reads fields 14 and 15 of /proc/PID/stat. The second one, in
// parentheses, may contain anything.
func parseProcess(text string) (time.Duration, error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("cannot read %q", text)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err
}
