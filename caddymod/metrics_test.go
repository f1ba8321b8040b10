package caddymod

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// gathered returns all metrics, from a registry of the strict kind that each
// configuration of Caddy has.
func gathered(t *testing.T) string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	var text strings.Builder
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			text.WriteString(family.GetName() + " " + metric.String() + "\n")
		}
	}
	return text.String()
}

func TestMetricsAreThereFromTheStartAndInTheDocumentation(t *testing.T) {
	docs, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	gathered(t)
	text := gathered(t) // as for the next configuration
	names := regexp.MustCompile(`(?m)^caddy_(prefork_cgi_\w+)`).FindAllStringSubmatch(text, -1)
	if len(names) < 11+len(causes) {
		t.Errorf("%d metrics are there", len(names))
	}
	for _, name := range names {
		if !strings.Contains(string(docs), "`"+name[1]+"`") {
			t.Errorf("docs/operations.md lacks %s", name[1])
		}
	}
	for _, value := range regexp.MustCompile(`value:"([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(string(docs), "`"+value[1]+"`") {
			t.Errorf("docs/operations.md lacks the label %s", value[1])
		}
	}
}

func TestEventsAreCounted(t *testing.T) {
	value := func(c prometheus.Counter) float64 {
		r := prometheus.NewRegistry()
		r.MustRegister(c)
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		return families[0].GetMetric()[0].GetCounter().GetValue()
	}
	for _, c := range []struct {
		counter prometheus.Counter
		event   pool.Event
	}{
		{setups.of["warm"], pool.Event{Kind: pool.Launched, Info: prefork.Info{Mode: prefork.Automatic}}},
		{setups.of["cold"], pool.Event{Kind: pool.Launched, Info: prefork.Info{Mode: prefork.Cold}}},
		{setups.of["fallback"], pool.Event{Kind: pool.Launched, Info: prefork.Info{Mode: prefork.Cold, Fallback: true}}},
		{setups.of["failed"], pool.Event{Kind: pool.LaunchFailed, Err: &prefork.SetupError{}}},
		{setups.of["timeout"], pool.Event{Kind: pool.LaunchFailed, Err: &prefork.SetupError{TimedOut: true}}},
		{setups.of["shortage"], pool.Event{Kind: pool.LaunchFailed, Err: &prefork.ForkError{}}},
		{crashLoops, pool.Event{Kind: pool.CrashLoop}},
		{recycles.of[pool.Asked], pool.Event{Kind: pool.Exited, Info: prefork.Info{Mode: prefork.Explicit}, Reason: pool.Asked}},
	} {
		before := value(c.counter)
		countEvent(c.event)
		if value(c.counter) != before+1 {
			t.Errorf("%+v is not counted", c.event)
		}
	}
	for outcome, c := range map[string]struct {
		status  prefork.Status
		failure error
	}{
		"ok":          {prefork.Status{Known: true}, nil},
		"nonzero":     {prefork.Status{Known: true, Code: 3}, nil},
		"killed":      {prefork.Status{Known: true, Signal: 9}, nil},
		"failed":      {prefork.Status{Known: true}, &limitError{limit: "silence_timeout"}},
		"client_left": {prefork.Status{Known: true, Signal: 15}, context.Canceled},
	} {
		before := value(calls.of[outcome])
		countCall(c.status, c.failure, time.Second)
		if value(calls.of[outcome]) != before+1 {
			t.Errorf("%s is not counted", outcome)
		}
	}
}
