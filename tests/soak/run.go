package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// Options say how long, how hard and how.
type Options struct {
	Seed     uint64
	Rounds   int
	Duration time.Duration // of all rounds, but for what comes between them
	Requests int           // of all rounds, after which they end sooner; 0: by time alone
	Rate     int           // requests per second at most; 0: as many as there can be
	Clients  int
	PerFault int // requests for each fault that is injected
}

// A run is one soak.
type run struct {
	tb      testing.TB
	options Options
	site    *site.Site
	model   *model
	scripts []*script
	hanging *script // is none of them
	tokens  atomic.Int64
	temp    string // $TMPDIR of Caddy and the scripts

	limits loadedLimits // of the configuration that is loaded; owned by who holds world
	// Held for reading by who does something to a script, and for writing by who does
	// something to all.
	world sync.RWMutex

	began     time.Time // of the round
	requested atomic.Int64
	answered  atomic.Int64
	due       chan struct{} // a fault is
}

// Run runs a soak and fails the test for each violation.
func Run(tb testing.TB, options Options) {
	tb.Helper()
	r := &run{tb: tb, options: options, model: newModel(), scripts: tree(), hanging: hanging(), temp: tb.TempDir()}
	tb.Cleanup(r.report) // after Caddy has ended, and has said what it has to say
	tb.Setenv("TMPDIR", r.temp)
	r.site = site.Prepare(tb, "", nil)
	r.site.Level = "WARN"
	for _, s := range slices.Concat(r.scripts, []*script{r.hanging}) {
		r.plant(s)
	}
	r.limits = loadedLimits{maxConcurrent: 4, idle: time.Hour}
	r.model.config.begin(false)
	r.site.Config = r.configure()
	r.site.Start()
	r.model.config.end()
	var first *census
	for round := range options.Rounds {
		r.round(round)
		now := r.rest()
		tb.Logf("round %d: %s", round+1, now)
		if first == nil {
			first = now
		} else if err := now.exceeds(first); err != nil {
			r.model.complain("left after round %d: %v", round+1, err)
		}
	}
}

// plant writes the first version of a script and its module.
func (r *run) plant(s *script) {
	r.site.Write(s.path, s.version(s.begin(false)))
	s.end()
	if s.module != nil {
		r.plant(s.module)
	}
}

// report says what has been counted, and fails the test if there are violations.
func (r *run) report() {
	r.tb.Logf("seed %d\n%s", r.options.Seed, r.model.report())
	const most = 20
	for i, text := range r.model.violations {
		if i == most {
			r.tb.Errorf("and %d violations more", len(r.model.violations)-most)
			break
		}
		r.tb.Errorf("violation, with seed %d: %s", r.options.Seed, text)
	}
}

// random returns the random numbers of one who takes part.
func (r *run) random(n int) *rand.Rand { return rand.New(rand.NewPCG(r.options.Seed, uint64(n))) }

// round has clients and injectors work for a share of the time or the requests.
func (r *run) round(n int) {
	ctx, cancel := context.WithTimeout(context.Background(), r.options.Duration/time.Duration(r.options.Rounds))
	defer cancel()
	r.began, r.due = time.Now(), make(chan struct{}, 100)
	r.requested.Store(0)
	r.answered.Store(0)
	var clients, injectors sync.WaitGroup
	for i := range r.options.Clients {
		clients.Go(func() {
			c := newClient(r, 1000*n+i)
			defer c.close()
			c.serve(ctx)
		})
	}
	for i := range faultsAtOnce {
		injectors.Go(func() {
			in := &injector{run: r, client: newClient(r, 1000*n+900+i)}
			defer in.client.close()
			for range r.due {
				if ctx.Err() == nil {
					in.inject()
				}
			}
		})
	}
	clients.Wait()
	cancel() // faults that are due, too
	close(r.due)
	injectors.Wait()
}

// admit waits until the rate allows another request, and reports false when there are
// to be no more.
func (r *run) admit(ctx context.Context) bool {
	n := r.requested.Add(1)
	if r.options.Requests > 0 && n > int64(r.options.Requests/r.options.Rounds) {
		return false
	}
	if r.options.Rate > 0 {
		select {
		case <-time.After(time.Until(r.began.Add(time.Duration(n) * time.Second / time.Duration(r.options.Rate)))):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// judged counts an answer, and has a fault injected after so many.
func (r *run) judged() {
	if r.answered.Add(1)%int64(r.options.PerFault) == 0 {
		select {
		case r.due <- struct{}{}:
		default: // the injectors are far behind
		}
	}
}

// pick returns one of the scripts, by their weights.
func (r *run) pick(random *rand.Rand) *script {
	all := 0
	for _, s := range r.scripts {
		all += s.weight
	}
	n := random.IntN(all)
	for _, s := range r.scripts {
		if n -= s.weight; n < 0 {
			return s
		}
	}
	panic("unreachable")
}

// LoadedLimits are what a reload may change without touching what runs.
type loadedLimits struct {
	maxConcurrent int
	idle          time.Duration
}

// configure returns the configuration of the newest version.
func (r *run) configure() string {
	r.model.config.mu.Lock()
	version := len(r.model.config.saves)
	r.model.config.mu.Unlock()
	return strings.NewReplacer(
		"MAX_CONCURRENT", fmt.Sprint(r.limits.maxConcurrent), "IDLE_TIMEOUT", r.limits.idle.String(),
		"SERVED_AGAIN", fmt.Sprint(servedAgain), "SOAK_CONFIG CONFIG", fmt.Sprintf("SOAK_CONFIG %d", version),
	).Replace(siteConfig)
}

// load loads a configuration as `caddy reload` does.
func (r *run) load(config string) error {
	r.site.Config = config
	text := r.read(r.site.Caddyfile())
	resp, err := once.Post("http://"+r.site.Admin+"/load", "text/caddyfile", strings.NewReader(text))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the configuration was refused: %s", resp.Status)
	}
	return nil
}

// files returns what is in the folder for temporary files.
func (r *run) files() []string {
	found, _ := filepath.Glob(filepath.Join(r.temp, "*"))
	return found
}
