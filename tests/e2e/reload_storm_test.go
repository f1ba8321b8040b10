package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// resources is what Caddy holds that could leak: descriptors and goroutines.
func resources(s *site.Site) (descriptors, goroutines int) {
	s.T.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.Cmd.Process.Pid))
	site.Must(s.T, err)
	resp, err := http.Get("http://" + s.Admin + "/debug/pprof/goroutine?debug=1")
	site.Must(s.T, err)
	defer resp.Body.Close()
	if _, err := fmt.Fscanf(resp.Body, "goroutine profile: total %d", &goroutines); err != nil {
		s.T.Fatal(err)
	}
	return len(open), goroutines
}

// load20 loads a configuration twenty times, with limits that differ.
func load20(s *site.Site, config string) {
	s.T.Helper()
	for i := range 20 {
		s.Config = fmt.Sprintf(config, 2+i%3)
		text, err := os.ReadFile(s.Caddyfile())
		site.Must(s.T, err)
		s.Await("the reload", func() error { // the endpoint itself is loaded anew each time
			resp, err := http.Post("http://"+s.Admin+"/load", "text/caddyfile", bytes.NewReader(text))
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if answer, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || err != nil {
				s.T.Fatalf("reload %d: %s: %s, %v", i, resp.Status, answer, err)
			}
			return nil
		})
	}
}

func TestReloadStorm(t *testing.T) {
	const config = "prefork_cgi {\n max_concurrent %d\n parked 1 2\n root @SITE@\n prewarm app.pl\n}"
	s := site.Serve(t, fmt.Sprintf(config, 4), held)
	s.Want(s.Get("/app.pl"), 200, "ok")
	s.Want(s.Get("/app.cgi"), 200, "ok")
	pid := s.ServerPID("app.pl")
	load20(s, config) // what Caddy keeps for itself is there
	http.DefaultClient.CloseIdleConnections()
	beforeFDs, beforeRoutines := resources(s)

	var long sync.WaitGroup
	for _, script := range []string{"held.pl", "held.cgi"} {
		long.Go(func() { s.Want(s.Get("/"+script), 200, "begun ended") })
		awaitFile(s, "begun"+filepath.Ext(script))
	}
	stops := []func() map[int]int{load(s, "/app.pl", "ok"), load(s, "/app.cgi", "ok")}
	began := time.Now()
	load20(s, config)
	t.Logf("twenty reloads took %v", time.Since(began))
	for _, stop := range stops {
		answers := stop()
		lost := answers[noAnswer] // by Caddy's listeners; see above
		delete(answers, noAnswer)
		if answers[200] == 0 || len(answers) != 1 {
			t.Errorf("answers: %v", answers)
		}
		t.Logf("%d requests were served, %d connections lost", answers[200], lost)
	}
	// They have been running since before the first of these reloads.
	letGo(s)
	long.Wait()
	for _, entry := range append(s.Entries("handled request"), s.Entries("NOP")...) {
		if entry["status"] != 200.0 {
			t.Errorf("a request has failed: %v", entry)
		}
	}
	if now := s.ServerPID("app.pl"); now != pid {
		t.Errorf("server %d has become %d", pid, now)
	}
	s.Await("no leak", func() error {
		http.DefaultClient.CloseIdleConnections()
		fds, routines := resources(s)
		// The held script has a server now, which is held by descriptors and a goroutine.
		if fds > beforeFDs+perServer || routines > beforeRoutines+perServer {
			return fmt.Errorf("%d descriptors and %d goroutines, were %d and %d", fds, routines, beforeFDs, beforeRoutines)
		}
		return nil
	})
}

// perServer is more than what Caddy holds for one warm server with its parked executors.
const perServer = 12
