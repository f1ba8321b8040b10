package soak

import (
	"flag"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

var options Options

func TestMain(m *testing.M) {
	flag.Uint64Var(&options.Seed, "seed", 1, "of all that is decided at random")
	flag.IntVar(&options.Rounds, "rounds", 3, "after each of which nothing may be left")
	flag.DurationVar(&options.Duration, "duration", 30*time.Second, "of all rounds")
	flag.IntVar(&options.Requests, "requests", 0, "after which it ends sooner; 0: none")
	flag.IntVar(&options.Rate, "rate", 0, "requests per second at most; 0: as many as there can be")
	flag.IntVar(&options.Clients, "clients", 8, "that ask at once")
	flag.IntVar(&options.PerFault, "per-fault", 40, "requests for each fault that is injected")
	site.Main(m)
}

// TestSoak takes half a minute by default; `make soak` has it run for minutes or hours.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes more than half a minute")
	}
	leak.Check(t, "")
	Run(t, options)
}
