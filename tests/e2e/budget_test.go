package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// scriptProcesses returns which processes run a script of the site: servers, setups and executors. Each leads
// its process group. A perl that a server sends to look how executors end does not, and is
// not counted: it takes some milliseconds, once in a server's life.
func scriptProcesses(s *site.Site) map[string]bool {
	found := map[string]bool{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		line, _ := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		if strings.Contains(string(line), s.Folder+"/") && strings.Contains(string(line), ".pl") && leak.StatOf(entry.Name()).Group == entry.Name() {
			found[entry.Name()] = true
		}
	}
	return found
}

// mostProcesses looks, until it is over, how many processes there are at once. To look takes a while, in
// which one may go and another come; those that have been there before and after were so together.
func mostProcesses(s *site.Site, over chan struct{}) (most int) {
	for before := scriptProcesses(s); ; {
		now, both := scriptProcesses(s), 0
		for pid := range now {
			if before[pid] {
				both++
			}
		}
		most, before = max(most, both), now
		select {
		case <-over:
			return most
		default:
		}
	}
}

// TestManyPoolsShareTheBudget asks 300 scripts at random.
func TestManyPoolsShareTheBudget(t *testing.T) {
	t.Parallel()
	const pools, places, clients = 300, 40, 6
	requests := 60
	if testing.Short() {
		requests = 10
	}
	files := map[string]string{}
	for i := range pools {
		files[fmt.Sprintf("s%d.pl", i)] = "#!/usr/bin/perl\nprint qq(Content-Type: text/plain\\n\\nI am " + strconv.Itoa(i) + ");\n"
	}
	s := site.Serve(t, fmt.Sprintf("global prefork_cgi {\n max_processes %d\n}\n\nprefork_cgi {\n idle_timeout 5s\n}", places), files)
	s.Patience = 30 * time.Second
	var before rest
	for round := range uint64(3) {
		over, counted := make(chan struct{}), make(chan int)
		go func() { counted <- mostProcesses(s, over) }()
		var all sync.WaitGroup
		for client := range clients {
			all.Go(func() {
				random := rand.New(rand.NewPCG(round, uint64(client)))
				for range requests {
					i := random.IntN(pools)
					s.Want(s.Get(fmt.Sprintf("/s%d.pl", i)), 200, fmt.Sprintf("I am %d", i))
				}
			})
		}
		all.Wait()
		close(over)
		if most := <-counted; most > places {
			t.Errorf("there were %d processes at once; the budget is %d", most, places)
		}
		if b := budgetOf(s); b["max_processes"] != float64(places) || b["processes"].(float64) > places {
			t.Errorf("the admin endpoint says %v", b)
		}
		after := awaitRest(s, before)
		t.Logf("round %d: %d descriptors, %d goroutines, %d KiB in use", round, after.descriptors, after.goroutines, after.heap>>10)
		// The first round is the one in which everything comes to its size.
		if round > 0 && after.heap > before.heap+mostGrowth {
			t.Errorf("%d KiB, after %d", after.heap>>10, before.heap>>10)
		}
		before = after
	}
}

// mostGrowth is what may stay for a while in buffers and caches of Caddy and Go.
const mostGrowth = 1 << 20

// A rest is what Caddy has when no script has been asked for long enough: heap is what is in use
// after a collection, in bytes.
type rest struct{ descriptors, goroutines, heap int }

// awaitRest waits until nothing of any pool is left, and no more descriptors and goroutines than
// before, if there was a before.
func awaitRest(s *site.Site, before rest) (r rest) {
	s.Await("the end of all", func() error {
		if left, b := len(scriptProcesses(s)), budgetOf(s); left > 0 || b["processes"] != 0.0 || b["memory"] != 0.0 {
			return fmt.Errorf("%d processes are left, and the endpoint says %v", left, b)
		}
		if n := watches(s); n > 0 {
			return fmt.Errorf("%d watches are left", n)
		}
		return nil
	})
	r.heap = numberOf(s, "/debug/pprof/heap?gc=1&debug=1", "# HeapAlloc = ")
	folder := fmt.Sprintf("/proc/%d/fd/", s.Cmd.Process.Pid)
	s.Await("the end of connections", func() error {
		r.goroutines = numberOf(s, "/debug/pprof/goroutine?debug=1", "goroutine profile: total ")
		http.DefaultClient.CloseIdleConnections()
		sockets, targets := 0, ""
		entries, err := os.ReadDir(folder)
		for _, entry := range entries {
			target, _ := os.Readlink(folder + entry.Name())
			targets += " " + target
			if strings.HasPrefix(target, "socket:") {
				sockets++
			}
		}
		r.descriptors = len(entries)
		if sockets > listeners || before.heap > 0 && (len(entries) > before.descriptors || r.goroutines > before.goroutines) {
			return fmt.Errorf("%d goroutines, %d descriptors, %d of them sockets:%s", r.goroutines, len(entries), sockets, targets)
		}
		return err
	})
	return r
}

// numberOf returns the number behind a text in what the admin endpoint says.
func numberOf(s *site.Site, path, text string) (n int) {
	resp, err := http.Get("http://" + s.Admin + path)
	site.Must(s.T, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	site.Must(s.T, err)
	_, number, found := strings.Cut(string(body), text)
	if !found {
		s.T.Fatalf("%s has no %q", path, text)
	}
	_, err = fmt.Sscan(number, &n)
	site.Must(s.T, err)
	return n
}

// listeners are the sockets that Caddy has without a request: for the site, and the admin endpoint.
const listeners = 2

// budgetOf returns what the admin endpoint says of the budget.
func budgetOf(s *site.Site) (status map[string]any) {
	resp, err := http.Get("http://" + s.Admin + "/prefork_cgi/budget")
	site.Must(s.T, err)
	defer resp.Body.Close()
	site.Must(s.T, json.NewDecoder(resp.Body).Decode(&status))
	return status
}

// watches returns how many files Caddy watches; see inotify in proc(5).
func watches(s *site.Site) (n int) {
	folder := fmt.Sprintf("/proc/%d/fdinfo/", s.Cmd.Process.Pid)
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		text, _ := os.ReadFile(folder + entry.Name())
		n += strings.Count(string(text), "inotify wd:")
	}
	return n
}

// TestOverloadIsAnsweredAsConfigured fills the one slot and the queue.
func TestOverloadIsAnsweredAsConfigured(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 1\n queue 0\n overload 429\n}", map[string]string{
		"slow.pl": "#!/usr/bin/perl\n$| = 1; print qq(Content-Type: text/plain\\n\\n); print 'x'; sleep 3;",
	})
	first := make(chan site.Reply)
	go func() { first <- s.Get("/slow.pl") }()
	s.AwaitEntry("script is ready", func(map[string]any) bool { return true })
	s.Await("refusal", func() error {
		r := s.Get("/slow.pl")
		if r.Status != http.StatusTooManyRequests {
			return fmt.Errorf("got %d", r.Status)
		}
		if seconds, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || seconds < 1 {
			t.Errorf("Retry-After is %q", r.Header.Get("Retry-After"))
		}
		return nil
	})
	s.Want(<-first, 200, "x")
}

// TestStreamsGiveWay has two event streams hold both slots until a third request wants one.
func TestStreamsGiveWay(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 2\n streams 2 1s\n}", map[string]string{
		"events.pl": "#!/usr/bin/perl\n$| = 1; print qq(Content-Type: text/event-stream\\n\\ndata: 1\\n\\n); " +
			"exit if ($ENV{QUERY_STRING} // '') eq 'short'; while (1) { sleep 1; print qq(data: 2\\n\\n) or last }",
	})
	for range 2 {
		resp, err := http.Get("http://" + s.Addr + "/events.pl")
		site.Must(t, err)
		defer resp.Body.Close()
		_, err = resp.Body.Read(make([]byte, 1))
		site.Must(t, err)
	}
	s.Want(s.Get("/events.pl?short"), 200, "data: 1\n\n")
}
