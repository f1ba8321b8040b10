package main

import (
	"strings"
	"testing"
	"time"
)

func TestFiguresAreMediansPerRequest(t *testing.T) {
	f := summarize([]sample{
		{load: load{requests: 100, perSecond: 30, p50: 3 * time.Millisecond, errors: 1}, cpu: 100 * time.Millisecond, forks: 200},
		{load: load{requests: 10, perSecond: 10, p50: time.Millisecond, errors: 2}, cpu: 100 * time.Millisecond, forks: 10},
		{load: load{requests: 1, perSecond: 20, p50: 9 * time.Millisecond}, cpu: time.Millisecond, forks: 3},
	})
	want := figures{P50: 3, PerSecond: 20, CPU: 1000, Forks: 2, Errors: 3}
	if f != want {
		t.Errorf("got %+v, want %+v", f, want)
	}
	if m := median([]float64{4, 1, 3, 2}); m != 2.5 {
		t.Errorf("median of four is %v", m)
	}
}

func TestWhatIsNotMeasuredIsNoRatio(t *testing.T) {
	r := results{"a/x@1": {P50: 1}, "a/y@1": {P50: 4}, "a/x@8": {PerSecond: 6}, "a/y@8": {}}
	if ratio, ok := r.latency("a/x", "a/y"); !ok || ratio != 0.25 {
		t.Errorf("latency: %v, %v", ratio, ok)
	}
	for _, to := range []string{"a/y", "a/z"} {
		if ratio, ok := r.throughput("a/x", to); ok {
			t.Errorf("throughput to %s: %v", to, ratio)
		}
	}
}

func TestEveryClaimIsOfVariantsThatThereAre(t *testing.T) {
	known := map[string]bool{}
	for _, p := range pages {
		for _, w := range ways() {
			known[variant{w, p, ""}.name()] = true
		}
	}
	// A figure for each variant makes every claim measurable.
	r := results{}
	for name := range known {
		for _, clients := range connections {
			r[key(name, clients)] = figures{P50: 1, P99: 2, PerSecond: 3, Caddy: 4}
		}
	}
	for _, c := range claims {
		if _, ok := c.measured(r); !ok {
			t.Errorf("%s: nothing is measured", c.what)
		}
	}
}

func TestTablesAreMarkdown(t *testing.T) {
	var text strings.Builder
	table{{"page", "µs"}, {"hello", "12.5"}, {"a", unknown}}.write(&text)
	want := "| page  | µs   |\n| ----- | ---- |\n| hello | 12.5 |\n| a     |    – |\n\n"
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}

func TestNumbersHaveThreeDigits(t *testing.T) {
	for n, want := range map[float64]string{0.1234: "0.12", 9.876: "9.88", 12.34: "12.3", 1234.5: "1234"} {
		if got := number(n); got != want {
			t.Errorf("%v is %s, want %s", n, got, want)
		}
	}
}
