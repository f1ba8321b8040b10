package caddymod

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// Metrics are of the process, as the pools are: they live through reloads, and each
// configuration registers the same ones with its own registry. All labels are words
// from short lists. None is a script, a path or a host: those are as many as requests make
// them, and the admin endpoint has the state of each pool.
//
// What every request counts is resolved beforehand.
var (
	calls = newCounters("calls_total", "Executions that are over, by how they ended.",
		"outcome", "ok", "nonzero", "killed", "failed", "client_left")
	setups = newCounters("setups_total", "Setups that are over, by what came of them. A cold script has none: it is counted when it is first asked for.",
		"outcome", "warm", "cold", "fallback", "failed", "timeout", "shortage")
	recycles = newCounters("recycles_total", "Warm servers that are gone, by why they took no more requests.",
		"reason", pool.Idle, pool.Changed, pool.Ended, pool.Retired, pool.Evicted, pool.Asked, pool.Crashed)
	failures   = newCounters("failures_total", "Requests that failed, by cause.", "cause", causes...)
	crashLoops = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "crash_loops_total",
		Help: "How often a pool has backed off because what the script had become was killed again and again.",
	})

	acquireSeconds = newHistogram("acquire_seconds", "How long requests waited for an executor.")
	callSeconds    = newHistogram("call_seconds", "How long executors had their requests.")
	setupSeconds   = newHistogram("setup_seconds", "How long setups took, the failed ones too.")
)

// collectors are all metrics.
var collectors = []prometheus.Collector{
	calls.vec, setups.vec, recycles.vec, failures.vec, crashLoops, acquireSeconds, callSeconds, setupSeconds, poolCollector{},
}

const (
	namespace = "caddy"
	subsystem = "prefork_cgi"
)

// causes are what statusOf can say of a request that failed.
var causes = []cause{
	"backing_off", "bad_body", "bad_header", "bad_host", "bad_method", "bad_path", "body_stalled", "body_too_large", "budget", "cannot_start", "client_left",
	"forbidden", "killed", "no_header", "not_found", "other", "other_handler", "queue_full", "queue_timeout",
	"request_too_large", "setup_failed", "setup_timeout", "shortage", "shutting_down", "timeout", "unsafe",
}

// counters are a counter for each value of a label, which there are from the start: the
// first event of a kind is else not seen as an increase.
type counters[L ~string] struct {
	vec *prometheus.CounterVec
	of  map[L]prometheus.Counter
}

func newCounters[L ~string](name, help, label string, values ...L) counters[L] {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
	}, []string{label})
	c := counters[L]{vec, map[L]prometheus.Counter{}}
	for _, value := range values {
		c.of[value] = vec.WithLabelValues(string(value))
	}
	return c
}

// inc counts one.
func (c counters[L]) inc(value L) {
	if counter, ok := c.of[value]; ok {
		counter.Inc()
		return
	}
	c.vec.WithLabelValues(string(value)).Inc()
}

func newHistogram(name, help string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	})
}

// countEvent counts what has happened in a pool.
func countEvent(e pool.Event) {
	switch e.Kind {
	case pool.Launched:
		setups.inc(setupOutcome(e.Info))
		setupSeconds.Observe(e.Took.Seconds())
	case pool.LaunchFailed:
		setups.inc(setupFailure(e.Err))
		setupSeconds.Observe(e.Took.Seconds())
	case pool.CrashLoop:
		crashLoops.Inc()
	case pool.Exited:
		if e.Info.Mode.Warm() {
			recycles.inc(e.Reason)
		}
	default:
	}
}

func setupOutcome(info prefork.Info) string {
	switch {
	case info.Mode.Warm():
		return "warm"
	case info.Fallback:
		return "fallback"
	}
	return "cold"
}

func setupFailure(err error) string {
	var setup *prefork.SetupError
	switch {
	case prefork.IsShortage(err):
		return "shortage"
	case errors.As(err, &setup) && setup.TimedOut:
		return "timeout"
	}
	return "failed"
}

// countCall counts an execution that is over, and whose request has failed if failure says so.
func countCall(status prefork.Status, failure error, took time.Duration) {
	callSeconds.Observe(took.Seconds())
	calls.inc(callOutcome(status, failure))
}

func callOutcome(status prefork.Status, failure error) string {
	switch {
	case failure != nil && hasLeft(failure):
		return "client_left"
	case failure != nil:
		return "failed"
	case status.Crashed():
		return "killed"
	case status.Code != 0:
		return "nonzero"
	}
	return "ok"
}

// A poolCollector collects what pools are like now.
type poolCollector struct{}

var (
	poolsDesc     = newDesc("pools", "Pools: scripts that are in use, each in its environment.", "state")
	serversDesc   = newDesc("servers", "Warm servers, and setups.", "state")
	executorsDesc = newDesc("executors", "Executors that have a request, or wait for one.", "state")
	queueDesc     = newDesc("queue_depth", "Requests that wait for a server or an executor.")
)

func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, name), help, labels, nil)
}

// Describe implements prometheus.Collector.
func (poolCollector) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{poolsDesc, serversDesc, executorsDesc, queueDesc} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (poolCollector) Collect(to chan<- prometheus.Metric) {
	pools := map[string]int{"serving": 0, "backing_off": 0}
	servers := map[string]int{"spawning": 0, "ready": 0, "draining": 0, "exiting": 0}
	executors := map[string]int{"running": 0, "parked": 0}
	waiting := 0
	for _, s := range registry.Snapshot() {
		state := "serving"
		if s.RetryIn > 0 {
			state = "backing_off"
		}
		pools[state]++
		for state, n := range s.States {
			servers[state] += n
		}
		executors["running"] += s.Running
		executors["parked"] += s.Parked
		waiting += s.Waiting
	}
	collect(to, poolsDesc, pools)
	collect(to, serversDesc, servers)
	collect(to, executorsDesc, executors)
	to <- prometheus.MustNewConstMetric(queueDesc, prometheus.GaugeValue, float64(waiting))
}

// collect collects a gauge for each value of a label.
func collect(to chan<- prometheus.Metric, desc *prometheus.Desc, values map[string]int) {
	for value, n := range values {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), value)
	}
}

// Interface guards.
var _ prometheus.Collector = poolCollector{}
