package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// connections are the two loads: one client, and as many as run at once.
var connections = []int{1, 8}

// settling is how long after a load what belongs to it may go on: the end of
// processes, and what is prepared for later requests.
const settling = 150 * time.Millisecond

// client makes requests as few as can be: each on the connection of the last.
var client = &http.Client{Timeout: 30 * time.Second}

// fetch returns the answer to a request, and how long it took.
func fetch(ctx context.Context, url string) (body string, took time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", 0, err
	}
	began := time.Now()
	response, err := client.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	took = time.Since(began)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status is %s", response.Status)
	}
	return string(text), took, err
}

// check waits until the variant answers, and has it answer right several times: a
// process that serves a second request may do so in another way than the first.
func (b *bench) check(ctx context.Context, v variant) error {
	const attempts, answers = 40, 10
	var err error
	for range attempts {
		if _, _, err = fetch(ctx, b.url(v)); err == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	for range answers {
		if err != nil {
			return err
		}
		var body string
		if body, _, err = fetch(ctx, b.url(v)); err == nil && !strings.Contains(body, v.page.want) {
			err = fmt.Errorf("answer is %q", body[:min(len(body), 200)])
		}
	}
	return err
}

// url is that of the variant's page.
func (b *bench) url(v variant) string {
	script := "-"
	if v.page.script != "" {
		script = v.file()[len(v.folder())+1:]
	}
	return v.url(b.addr[v.front], script)
}

// A sample is one load on one variant, and what it has cost.
type sample struct {
	load
	cpu   time.Duration // of the whole machine but the load generator
	caddy time.Duration // of Caddy's process, if it is in front
	forks int
}

// measure puts a load on a variant.
func (b *bench) measure(ctx context.Context, v variant, clients int, d time.Duration) (sample, error) {
	before, err1 := readCounters()
	caddyBefore, err2 := processCPU(b.caddyPID)
	l, own, err := runWrk(ctx, b.url(v), clients, d)
	if err != nil {
		return sample{}, err
	}
	time.Sleep(settling)
	after, err3 := readCounters()
	caddyAfter, err4 := processCPU(b.caddyPID)
	s := sample{load: l, cpu: after.cpu - before.cpu - own, forks: after.forks - before.forks - wrkForks}
	if v.front == caddy {
		s.caddy = caddyAfter - caddyBefore
	}
	return s, errors.Join(err1, err2, err3, err4)
}

// warmUp lets every process that will serve do so once: what a persistent server of
// eight processes loads is not in its figures either.
func (b *bench) warmUp(ctx context.Context) {
	for _, v := range b.variants {
		_, _, _ = runWrk(ctx, b.url(v), slices.Max(connections), time.Second) // what fails is seen later
	}
}

// rounds measures every variant with every load, so many times, in turn: what
// happens to the machine meanwhile happens to all.
func (b *bench) rounds(ctx context.Context, n int, d time.Duration) (results, error) {
	samples := map[string][]sample{}
	for round := range n {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, n)
		for _, clients := range connections {
			for _, v := range b.variants {
				s, err := b.measure(ctx, v, clients, d)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", v.name(), err)
				}
				if s.requests > 0 { // else there is nothing to divide by
					samples[key(v.name(), clients)] = append(samples[key(v.name(), clients)], s)
				}
			}
		}
	}
	r := results{}
	for name, list := range samples {
		r[name] = summarize(list)
	}
	return r, nil
}

// median returns the one in the middle, or the mean of the two that are.
func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[n/2] + values[(n-1)/2]) / 2
}
