package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// wrkForks is how many processes and threads wrk itself makes.
const wrkForks = 2

// A load is what the load generator has seen.
type load struct {
	requests  int
	perSecond float64
	p50, p99  time.Duration
	errors    int // answers that are not 200 to 399, and requests without an answer
}

var (
	wrkRequests  = regexp.MustCompile(`(?m)^ +(\d+) requests in `)
	wrkPerSecond = regexp.MustCompile(`(?m)^Requests/sec: +([\d.]+)`)
	wrkP50       = regexp.MustCompile(`(?m)^ +50% +([\d.]+(?:us|ms|s|m)) *$`)
	wrkP99       = regexp.MustCompile(`(?m)^ +99% +([\d.]+(?:us|ms|s|m)) *$`)
	wrkStatus    = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	wrkSocket    = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// parseWrk reads what wrk prints with --latency.
func parseWrk(text string) (l load, err error) {
	for _, field := range []struct {
		where *regexp.Regexp
		read  func(word string) error
	}{
		{wrkRequests, func(word string) (err error) { l.requests, err = strconv.Atoi(word); return err }},
		{wrkPerSecond, func(word string) (err error) { l.perSecond, err = strconv.ParseFloat(word, 64); return err }},
		{wrkP50, func(word string) (err error) { l.p50, err = time.ParseDuration(word); return err }},
		{wrkP99, func(word string) (err error) { l.p99, err = time.ParseDuration(word); return err }},
	} {
		found := field.where.FindStringSubmatch(text)
		if found == nil {
			return load{}, fmt.Errorf("wrk says nothing that matches %s: %q", field.where, text)
		}
		if err := field.read(found[1]); err != nil {
			return load{}, err
		}
	}
	for _, where := range []*regexp.Regexp{wrkStatus, wrkSocket} {
		found := where.FindStringSubmatch(text)
		for i := 1; i < len(found); i++ {
			n, _ := strconv.Atoi(found[i]) // digits
			l.errors += n
		}
	}
	return l, nil
}

// runWrk has wrk ask for a URL over so many connections, and returns the CPU time
// that wrk itself has taken, too.
func runWrk(ctx context.Context, url string, connections int, d time.Duration) (load, time.Duration, error) {
	cmd := exec.CommandContext(ctx, "wrk", "--latency", "--timeout", "30s",
		"-t1", "-c"+strconv.Itoa(connections), "-d"+strconv.Itoa(int(d.Seconds()))+"s", url)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return load{}, 0, fmt.Errorf("wrk: %w: %s", err, out)
	}
	l, err := parseWrk(string(out))
	return l, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}
