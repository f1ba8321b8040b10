package pool

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// TestScripts runs each file of testdata/script: a life of pools as a list of
// commands, in virtual time and with fake processes. See play for the commands.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) { play(t, folder, string(text)) })
		})
	}
}

// A player executes a script.
type player struct {
	t           *testing.T
	folder      string // of real files, for freshness
	fake        *fake
	registry    *Registry
	specs       map[string]Spec
	generations map[string]*Generation
	requests    map[string]*request
	events      []string // not yet expected
	budget      Budget   // of the next generation
}

// A request is in Acquire or has what came of it.
type request struct {
	cancel chan struct{}
	done   chan struct{}
	lease  *Lease
	err    error
}

// play executes commands, one per line:
//
//	spec NAME [key=value ...]      max parked requests age queue wait start idle grace reload watch
//	                               tenant weight streams after
//	budget N [BYTES]               of generations that enter later
//	enter GEN NAME ...             a generation that wants these specs
//	leave GEN
//	prewarm NAME                   sets it up ahead of requests
//	request R NAME [GEN]           asks for a lease and calls; default: the newest generation
//	expect R running on N | waiting | full | late | budget | backoff | failed | closed | gone
//	respond R                      it has sent the header of its response
//	comeback R DURATION            after which it was told to come again
//	used N                         processes of the budget
//	exit R CODE                    its executor ends
//	killed R SIGNAL                its executor is killed, by nobody of ours
//	lost R                         it ends unseen: its server has been killed
//	cancel R                       its client leaves
//	crash N                        server N dies (servers count from 1)
//	deaf N                         server N ignores Stop
//	vanish N                       server N dies when it is next called
//	interrupt R                    its executor is asked to end
//	stubborn R                     its executor ignores that
//	touch FILE TEXT                writes a file; scripts are files too
//	fail TEXT | fail               launches fail with TEXT; or no more; `gone`: with ErrGone;
//	                               `shortage`: for want of processes
//	jitter NUMBER                  from 0 to 1; at first 0.5, which changes nothing
//	retry NAME                     an administrator has the pool forget what has failed
//	recycle NAME | ... refused     an administrator has its server replaced
//	hold | go | go one             launches wait; and go on; or only those that wait now
//	sleep DURATION                 virtual
//	event TEXT                     the next event that is not expected yet begins so
//	launches N                     as many there were
//	forking off | on               executors are not made yet; and are
//	running N                      executors now
//	parked N                       executors that wait for a request
//	killparked N                   all that server N has parked are killed
//	grow N BYTES                   executors of server N need so much memory
//	nomore N TEXT | nomore N       server N cannot make executors, because of TEXT; or can
//	pools N
//	close DURATION                 the program ends within
func play(t *testing.T, folder, text string) {
	t.Helper()
	p := &player{
		t: t, folder: folder, fake: &fake{},
		specs: map[string]Spec{}, generations: map[string]*Generation{}, requests: map[string]*request{},
	}
	p.registry = newFakeRegistry(p.fake)
	lines := bufio.NewScanner(strings.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if words := strings.Fields(line); len(words) > 0 {
			p.do(fmt.Sprintf("line %d: %s", number, strings.TrimSpace(line)), words)
			synctest.Wait()
		}
	}
	p.registry.Close(t.Context())
	if n := len(p.registry.pools); n != 0 {
		t.Errorf("%d pools are left", n)
	}
	if p.fake.running != 0 || p.fake.parked != 0 {
		t.Errorf("%d executors are left that run, %d that are parked", p.fake.running, p.fake.parked)
	}
	for _, r := range p.requests {
		<-r.done
	}
}

func (p *player) do(line string, words []string) {
	p.t.Helper()
	check := func(ok bool, got any) {
		p.t.Helper()
		if !ok {
			p.t.Errorf("%s: got %v", line, got)
		}
	}
	switch args := words[1:]; words[0] {
	case "spec":
		p.specs[args[0]] = p.spec(args[0], args[1:])
	case "enter":
		p.enter(args[0], args[1:])
	case "budget":
		p.budget.Processes, _ = strconv.Atoi(args[0])
		if len(args) > 1 {
			p.budget.Memory, _ = strconv.ParseInt(args[1], 10, 64)
		}
	case "used":
		check(strconv.Itoa(p.registry.ledger.used) == args[0], p.registry.ledger.used)
	case "respond":
		p.requests[args[0]].lease.Responding()
	case "comeback":
		var overload *OverloadError
		check(errors.As(p.requests[args[0]].err, &overload) && overload.RetryIn.String() == args[1], p.requests[args[0]].err)
	case "leave":
		p.registry.Leave(p.generations[args[0]])
	case "prewarm":
		go p.registry.Prewarm(p.t.Context(), p.generations[""], p.specs[args[0]])
	case "request":
		p.request(args)
	case "expect":
		got := p.state(args[0])
		check(got == strings.Join(args[1:], " "), got)
	case "exit":
		code, _ := strconv.Atoi(args[1])
		exit(p.requests[args[0]].lease, code)
	case "killed":
		signal, _ := strconv.Atoi(args[1])
		p.requests[args[0]].lease.call.(*fakeCall).finish(prefork.Status{Known: true, Signal: signal})
	case "lost":
		p.requests[args[0]].lease.call.(*fakeCall).finish(prefork.Status{Lost: true})
	case "jitter":
		n, err := strconv.ParseFloat(args[0], 64)
		check(err == nil, err)
		p.registry.jitter = func() float64 { return n }
	case "retry":
		err := p.registry.Retry(p.specs[args[0]].Ident().String())
		check(err == nil, err)
	case "recycle":
		err := p.registry.Recycle(p.specs[args[0]].Ident().String())
		check((err != nil) == (len(args) > 1), err)
	case "cancel":
		close(p.requests[args[0]].cancel)
	case "crash":
		p.server(args[0]).Kill()
	case "deaf":
		p.server(args[0]).deaf = true
	case "vanish":
		p.server(args[0]).vanishing = true
	case "stubborn":
		p.requests[args[0]].lease.call.(*fakeCall).deaf = true
	case "interrupt":
		p.requests[args[0]].lease.Interrupt()
	case "touch":
		if err := os.WriteFile(filepath.Join(p.folder, args[0]), []byte(strings.Join(args[1:], " ")), 0o755); err != nil {
			p.t.Fatal(err)
		}
	case "fail":
		p.fake.set(func() {
			p.fake.fail = nil
			switch text := strings.Join(args, " "); text {
			case "":
			case "gone":
				p.fake.fail = prefork.ErrGone
			case "shortage":
				p.fake.fail = &prefork.StartError{Script: "it", Err: syscall.EAGAIN}
			default:
				p.fake.fail = errors.New(text)
			}
		})
	case "hold":
		p.fake.set(func() { p.fake.hold = make(chan struct{}) })
	case "go":
		p.fake.set(func() {
			close(p.fake.hold)
			p.fake.hold = nil
			if len(args) > 0 {
				p.fake.hold = make(chan struct{})
			}
		})
	case "sleep":
		d, err := time.ParseDuration(args[0])
		check(err == nil, err)
		time.Sleep(d)
	case "event":
		want := strings.Join(args, " ")
		p.fake.mu.Lock()
		defer p.fake.mu.Unlock()
		i := slices.IndexFunc(p.events, func(e string) bool { return strings.HasPrefix(e, want) })
		check(i >= 0, p.events)
		p.events = p.events[i+1:]
	case "launches":
		check(strconv.Itoa(p.fake.started()) == args[0], p.fake.started())
	case "running":
		n := p.fake.count(&p.fake.running)
		check(strconv.Itoa(n) == args[0], n)
	case "forking":
		p.fake.set(func() {
			if args[0] == "off" {
				p.fake.holdPark = make(chan struct{})
			} else {
				close(p.fake.holdPark)
				p.fake.holdPark = nil
			}
		})
	case "parked":
		n := p.fake.count(&p.fake.parked)
		check(strconv.Itoa(n) == args[0], n)
	case "killparked":
		p.fake.set(func() { p.server(args[0]).slain++ })
	case "grow":
		p.fake.set(func() { p.server(args[0]).memory, _ = strconv.ParseInt(args[1], 10, 64) })
	case "nomore":
		p.fake.set(func() { p.server(args[0]).barren = strings.Join(args[1:], " ") })
	case "pools":
		check(strconv.Itoa(len(p.registry.all())) == args[0], len(p.registry.all()))
	case "close":
		d, _ := time.ParseDuration(args[0])
		began := time.Now()
		ctx, cancel := contextFor(p.t, d)
		defer cancel()
		p.registry.Close(ctx)
		check(time.Since(began) <= d+killWait, time.Since(began))
	default:
		p.t.Fatalf("%s: unknown command", line)
	}
}

// server returns the server that was launched as the nth.
func (p *player) server(n string) *fakeProcess {
	i, err := strconv.Atoi(n)
	if err != nil || i > len(p.fake.launches) {
		p.t.Fatalf("no server %s", n)
	}
	return p.fake.launches[i-1]
}

func (p *player) spec(name string, settings []string) Spec {
	s := specFor(filepath.Join(p.folder, name), func(s *Spec) { s.Limits.Reload = Strict })
	duration := func(v string) time.Duration {
		d, err := time.ParseDuration(v)
		if err != nil {
			p.t.Fatal(err)
		}
		return d
	}
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		number, _ := strconv.Atoi(value)
		switch key {
		case "max":
			s.Limits.MaxConcurrent = number
		case "parked":
			least, most, _ := strings.Cut(value, ",")
			s.Limits.ParkedMin, _ = strconv.Atoi(least)
			s.Limits.ParkedMax, _ = strconv.Atoi(most)
		case "requests":
			s.Limits.MaxRequests = number
		case "age":
			s.Limits.MaxAge = duration(value)
		case "queue":
			s.Limits.QueueSize = number
		case "wait":
			s.Limits.QueueWait = duration(value)
		case "start":
			s.Limits.StartTimeout = duration(value)
		case "idle":
			s.Limits.IdleTimeout = duration(value)
		case "grace":
			s.Limits.Grace = duration(value)
		case "reload":
			s.Limits.Reload = Reload(value)
		case "tenant":
			s.Tenant = value
		case "weight":
			s.Weight = number
		case "streams":
			s.Limits.Streams = number
		case "after":
			s.Limits.StreamAfter = duration(value)
		case "watch":
			s.Sources = append(s.Sources, filepath.Join(p.folder, value))
		case "env":
			s.Command.Env = append(s.Command.Env, value)
			s.Template += value
		default:
			p.t.Fatalf("unknown setting %s", setting)
		}
	}
	return s
}

func (p *player) enter(name string, specs []string) {
	var wanted []Spec
	for _, s := range specs {
		wanted = append(wanted, p.specs[s])
	}
	g := &Generation{
		Budget: p.budget,
		Covers: func(s Spec) (Spec, bool) {
			i := slices.IndexFunc(wanted, func(w Spec) bool { return w.Template == s.Template })
			if i < 0 {
				return s, false
			}
			return wanted[i], true
		},
		Observe: func(e Event) {
			text := fmt.Sprintf("%s %s", e.Kind, filepath.Base(e.Script))
			if e.Reason != "" {
				text += " " + string(e.Reason)
			}
			if e.Kept {
				text += " kept"
			}
			if e.RetryIn > 0 {
				text += " retry in " + e.RetryIn.String()
			}
			p.fake.set(func() { p.events = append(p.events, text) })
		},
	}
	p.generations[name] = g
	p.generations[""] = g
	p.registry.Enter(g)
}

func (p *player) request(args []string) {
	r := &request{cancel: make(chan struct{}), done: make(chan struct{})}
	p.requests[args[0]] = r
	spec, g := p.specs[args[1]], p.generations[""]
	if len(args) > 2 {
		g = p.generations[args[2]]
	}
	if g == nil {
		g = &Generation{}
	}
	go func() {
		defer close(r.done)
		ctx, cancel := contextFor(p.t, 0)
		defer cancel()
		go func() {
			select {
			case <-r.cancel:
				cancel()
			case <-ctx.Done():
			}
		}()
		r.lease, r.err = p.registry.Acquire(ctx, g, spec)
		if r.err == nil {
			r.err = r.lease.Call(ctx, prefork.Request{})
		}
	}()
}

// state says in words where a request is.
func (p *player) state(name string) string {
	r := p.requests[name]
	select {
	case <-r.done:
	default:
		return "waiting"
	}
	var backoff *BackoffError
	switch {
	case r.err == nil:
		select {
		case <-r.lease.Finished():
			return "ended " + r.lease.Status().String()
		default:
			return fmt.Sprintf("running on %d", r.lease.Info().PID-999)
		}
	case errors.Is(r.err, ErrQueueFull):
		return "full"
	case errors.Is(r.err, ErrQueueTimeout):
		return "late"
	case errors.Is(r.err, ErrBudget):
		return "budget"
	case errors.Is(r.err, ErrClosed):
		return "closed"
	case errors.As(r.err, &backoff):
		return "backoff"
	case r.lease == nil:
		return "failed"
	default:
		return "gone"
	}
}
