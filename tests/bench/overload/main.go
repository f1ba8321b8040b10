// Command overload measures what becomes of requests when there are more than can be
// served: whether the machine still does its work, how fast the others are refused, and
// whether scripts that nobody floods notice. See docs/performance.md.
//
//	overload -generate ──▶ Caddy ──▶ work.pl            about 50 ms of CPU time
//	                             ──▶ quiet1.pl … 9.pl   the same, for one request a second
//
// The load comes from a process of its own, which sends requests when they are due,
// whether or not the others have been answered. Nothing passes or fails by time: it
// prints what is asked for beside what was measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Settings are the command line.
type settings struct {
	caddy    string
	seconds  int
	cost     time.Duration
	factor   float64
	clients  int
	generate string
}

func main() {
	var s settings
	flag.StringVar(&s.caddy, "caddy", ".run/overload-caddy", "Caddy with this module")
	flag.IntVar(&s.seconds, "seconds", 60, "how long each load is")
	flag.DurationVar(&s.cost, "cost", 50*time.Millisecond, "CPU time of a script, or how long it waits")
	flag.Float64Var(&s.factor, "factor", 10, "how many times what can be served is asked for")
	flag.IntVar(&s.clients, "clients", 200, "that flood one script")
	flag.StringVar(&s.generate, "generate", "", "make the load that this JSON text says; for the program itself")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	run := func() error { return measure(ctx, s) }
	if s.generate != "" {
		run = func() error { return generate(ctx, s.generate, os.Stdout) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "overload:", err)
		os.Exit(1)
	}
}

// measure is the whole measurement. When it returns nothing of it is left.
func measure(ctx context.Context, s settings) (err error) {
	b, err := start(s)
	if err != nil {
		return err
	}
	defer func() {
		if ended := b.stop(); err == nil {
			err = ended
		}
	}()
	fmt.Printf("%d CPUs, %d s a load.\n", runtime.NumCPU(), s.seconds)
	if err := b.overload(ctx, s, "/wait.pl", "waits"); err != nil {
		return err
	}
	if err := b.overload(ctx, s, "/work.pl", "computes"); err != nil {
		return err
	}
	return b.fairness(ctx, s)
}

// overload asks for more than can be served.
func (b *bench) overload(ctx context.Context, s settings, path, does string) error {
	long := time.Duration(s.seconds) * time.Second
	// As many clients as have a place, and some more, so that one is always next.
	saturate := part{Paths: []string{path}, Clients: 2 * maxConcurrent, For: long / 2}
	before, err := b.load(ctx, saturate)
	if err != nil {
		return err
	}
	ownOfSaturation := b.own
	rate := s.factor * before[0].of(200).PerSecond
	result, err := b.load(ctx, part{Paths: []string{path}, Rate: rate, For: long})
	if err != nil {
		return err
	}
	used, own := b.share(b.used, long), b.share(b.own, long)
	ownBefore := b.share(ownOfSaturation, long/2)
	// Once more, so that what else the machine does is in both.
	after, err := b.load(ctx, saturate)
	if err != nil {
		return err
	}
	full := (before[0].of(200).PerSecond + after[0].of(200).PerSecond) / 2
	r := result[0]
	served, refused := r.of(200), r.of(503)
	heading(fmt.Sprintf("%.0f times as many requests as can be served, of a script that %s for %v", s.factor, does, s.cost))
	row("", "asked", "measured")
	row("---", "---", "---")
	row("requests served per second when saturated", "", fmt.Sprintf("%.1f before, %.1f after", before[0].of(200).PerSecond, after[0].of(200).PerSecond))
	row("requests sent per second", fmt.Sprintf("%.0f", rate), fmt.Sprintf("%.0f", r.Sent))
	row("served per second", fmt.Sprintf("≥ %.1f", 0.9*full), fmt.Sprintf("%.1f (%.0f %%)", served.PerSecond, 100*served.PerSecond/full))
	left := (100 - own) / (100 - ownBefore)
	row("… of what the CPU time that the load generator leaves would serve", "", fmt.Sprintf("%.0f %%", 100*served.PerSecond/full/left))
	row("served after, p50, p99, most", fmt.Sprintf("< %v", queueWait), served.times())
	row("refused per second", "", fmt.Sprintf("%.0f", refused.PerSecond))
	row("refused after, p50, p99, most", "p50 < 20ms", refused.times())
	row("refused without Retry-After", "0", fmt.Sprint(r.NoRetry))
	row("no answer, or another", "0", fmt.Sprint(r.others(200, 503)))
	row("CPU time of Caddy, of the load generator", "", fmt.Sprintf("%.0f %%, %.0f %% of all", used, own))
	return nil
}

// fairness has one script flooded, and looks at others.
func (b *bench) fairness(ctx context.Context, s settings) error {
	long := time.Duration(s.seconds) * time.Second
	quiet := part{Paths: quietPaths(), Rate: quietScripts, For: long}
	alone, err := b.load(ctx, quiet)
	if err != nil {
		return err
	}
	heading(fmt.Sprintf("One script flooded by %d clients, %d others asked for once a second", s.clients, quietScripts))
	row("", "asked", "measured")
	row("---", "---", "---")
	row("the others alone: p50, p99, most", "", alone[0].of(200).times())
	for _, pause := range []time.Duration{0, time.Second} {
		flooded, err := b.load(ctx, quiet, part{Paths: []string{"/work.pl"}, Clients: s.clients, Pause: pause, For: long})
		if err != nil {
			return err
		}
		before, after := alone[0].of(200), flooded[0].of(200)
		who := "clients that come again at once"
		if pause > 0 {
			who = "clients that heed Retry-After"
		}
		row(who+": p50, p99, most", fmt.Sprintf("p50 ≤ %.1fms", 2*before.P50), fmt.Sprintf("%s (%.2f times)", after.times(), after.P50/before.P50))
		row("… the others' failures", "0", fmt.Sprint(flooded[0].others(200)))
		row("… served and refused per second of the flood", "", fmt.Sprintf("%.1f, %.0f", flooded[1].of(200).PerSecond, flooded[1].of(503).PerSecond))
	}
	return nil
}

func heading(text string) { fmt.Printf("\n### %s\n\n", text) }

func row(cells ...string) { fmt.Println("| " + strings.Join(cells, " | ") + " |") }
