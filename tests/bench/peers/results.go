package main

import (
	"fmt"
	"time"
)

// Figures are the medians of samples. Those of CPU time and forks are per request.
type figures struct {
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	PerSecond float64 `json:"requests_per_second"`
	CPU       float64 `json:"cpu_us"`
	Caddy     float64 `json:"caddy_cpu_us"`
	Forks     float64 `json:"forks"`
	Errors    int     `json:"errors"` // the sum
}

// Results are figures by variant and number of clients; see key.
type results map[string]figures

// key is what the figures of a variant are found by: "hello/cold@8".
func key(variant string, clients int) string { return fmt.Sprintf("%s@%d", variant, clients) }

// summarize makes figures of samples.
func summarize(samples []sample) figures {
	of := func(value func(sample) float64) float64 {
		values := make([]float64, len(samples))
		for i, s := range samples {
			values[i] = value(s)
		}
		return median(values)
	}
	per := func(value float64, s sample) float64 { return value / float64(s.requests) }
	f := figures{
		P50:       of(func(s sample) float64 { return milliseconds(s.p50) }),
		P99:       of(func(s sample) float64 { return milliseconds(s.p99) }),
		PerSecond: of(func(s sample) float64 { return s.perSecond }),
		CPU:       of(func(s sample) float64 { return per(float64(s.cpu.Microseconds()), s) }),
		Caddy:     of(func(s sample) float64 { return per(float64(s.caddy.Microseconds()), s) }),
		Forks:     of(func(s sample) float64 { return per(float64(s.forks), s) }),
	}
	for _, s := range samples {
		f.Errors += s.errors
	}
	return f
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// latency returns the median latency at one client of a variant, as a multiple of
// another's. ok is false if one of them has not been measured.
func (r results) latency(of, to string) (ratio float64, ok bool) {
	return r.ratio(of, to, 1, func(f figures) float64 { return f.P50 })
}

// throughput returns the requests per second at eight clients, likewise.
func (r results) throughput(of, to string) (ratio float64, ok bool) {
	return r.ratio(of, to, 8, func(f figures) float64 { return f.PerSecond })
}

func (r results) ratio(of, to string, clients int, value func(figures) float64) (float64, bool) {
	a, ok1 := r[key(of, clients)]
	b, ok2 := r[key(to, clients)]
	if !ok1 || !ok2 || value(b) == 0 {
		return 0, false
	}
	return value(a) / value(b), true
}
