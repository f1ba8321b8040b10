package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A part of a load is requests for paths in turn: at a rate, whatever becomes of them,
// or by clients each of which sends the next one when it has the answer to the last.
type part struct {
	Addr    string
	Paths   []string
	Rate    float64 // requests per second; 0: by clients
	Clients int
	Pause   time.Duration // what a client that was refused waits
	For     time.Duration
}

// Seen is what has become of a part.
type seen struct {
	Sent    float64 // requests per second
	NoRetry int     // refusals without Retry-After
	By      []kind
}

// A kind are answers with the same status; 0 is none.
type kind struct {
	Status         int
	Count          int
	PerSecond      float64
	P50, P99, Most float64 // milliseconds since the request was due
}

// generate makes a load and writes what has become of it.
func generate(ctx context.Context, text string, w io.Writer) error {
	var p part
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	g := &generator{part: p, answers: map[int][]time.Duration{}}
	return json.NewEncoder(w).Encode(g.run(ctx))
}

// A generator makes one part of a load.
type generator struct {
	part

	mu      sync.Mutex // guards what follows
	next    int
	answers map[int][]time.Duration // by status
	noRetry int
	free    []*connection // those that wait for a request
}

func (g *generator) run(ctx context.Context) seen {
	ctx, cancel := context.WithTimeout(ctx, g.For)
	defer cancel()
	if g.Rate > 0 {
		g.send(ctx)
	} else {
		g.repeat(ctx)
	}
	for _, c := range g.free {
		c.Close()
	}
	return g.summary()
}

// send sends requests when they are due.
func (g *generator) send(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	began := time.Now()
	for n := 0; ; n++ {
		due := began.Add(time.Duration(float64(n) / g.Rate * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return
		}
		path := g.path()
		all.Go(func() { g.ask(due, path) })
	}
}

// repeat has clients send requests one after the other.
func (g *generator) repeat(ctx context.Context) {
	var all sync.WaitGroup
	for range g.Clients {
		all.Go(func() {
			for ctx.Err() == nil {
				if status := g.ask(time.Now(), g.path()); status != http.StatusOK && g.Pause > 0 {
					select {
					case <-time.After(g.Pause):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	all.Wait()
}

// path returns the next one.
func (g *generator) path() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next++
	return g.Paths[g.next%len(g.Paths)]
}

// ask makes a request over a connection that is free, or another one, and counts what
// becomes of it.
func (g *generator) ask(due time.Time, path string) (status int) {
	g.mu.Lock()
	var c *connection
	if n := len(g.free); n > 0 {
		c, g.free = g.free[n-1], g.free[:n-1]
	}
	g.mu.Unlock()
	status, retry := 0, false
	if c == nil {
		if conn, err := net.Dial("tcp", g.Addr); err == nil {
			c = &connection{conn, bufio.NewReader(conn)}
		}
	}
	if c != nil {
		status, retry = c.ask(path)
	}
	took := time.Since(due)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers[status] = append(g.answers[status], took)
	if status == http.StatusServiceUnavailable && !retry {
		g.noRetry++
	}
	if status != 0 {
		g.free = append(g.free, c)
	} else if c != nil {
		c.Close()
	}
	return status
}

// A connection makes requests one after the other.
type connection struct {
	net.Conn
	reader *bufio.Reader
}

// ask returns the status of the answer, 0 if there is none that is complete, and
// whether it says when to come again.
func (c *connection) ask(path string) (status int, retry bool) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, c.RemoteAddr()); err != nil {
		return 0, false
	}
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, false
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Close {
		return 0, false
	}
	return resp.StatusCode, resp.Header.Get("Retry-After") != ""
}

func (g *generator) summary() seen {
	s := seen{NoRetry: g.noRetry}
	for status, times := range g.answers {
		slices.Sort(times)
		at := func(share float64) float64 {
			return times[int(share*float64(len(times)-1))].Seconds() * 1000
		}
		s.By = append(s.By, kind{
			Status: status, Count: len(times), PerSecond: float64(len(times)) / g.For.Seconds(),
			P50: at(0.5), P99: at(0.99), Most: at(1),
		})
		s.Sent += float64(len(times)) / g.For.Seconds()
	}
	return s
}

// of returns what has been answered with a status.
func (s seen) of(status int) kind {
	for _, k := range s.By {
		if k.Status == status {
			return k
		}
	}
	return kind{Status: status}
}

// others returns how many answers have none of some statuses, or are none.
func (s seen) others(statuses ...int) (n int) {
	for _, k := range s.By {
		if !slices.Contains(statuses, k.Status) {
			n += k.Count
		}
	}
	return n
}

func (k kind) times() string { return fmt.Sprintf("%.1f, %.1f, %.1f ms", k.P50, k.P99, k.Most) }
