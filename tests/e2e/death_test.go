package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// What load counts beside statuses.
const (
	wrong    = 0  // 200 with another body: a wrong answer that looks right
	broken   = -1 // a response that began and did not end well
	noAnswer = -2 // a connection that ended before a response began
)

// load makes requests from a few clients until stopped, and counts answers.
func load(s *site.Site, path, body string) (stop func() map[int]int) {
	var mu sync.Mutex
	answers := map[int]int{}
	var stops []func()
	for range 4 {
		stops = append(stops, background(func(context.Context) {
			r := s.Get(path)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case r.Err != nil && r.Status == 0:
				answers[noAnswer]++
			case r.Err != nil:
				answers[broken]++
			case r.Status == 200 && r.Body != body:
				answers[wrong]++
			default:
				answers[r.Status]++
			}
		}))
	}
	return func() map[int]int {
		for _, f := range stops {
			f()
		}
		return answers
	}
}

func TestKilledServersMonitorsAndExecutors(t *testing.T) {
	for library, victims := range map[string][]string{
		"installed": {"server", "monitor", "executor"},
		"bundled":   {"server", "leader"}, // its executors lead groups
	} {
		t.Run(library, func(t *testing.T) { killUnderLoad(t, library, victims) })
	}
}

func killUnderLoad(t *testing.T, library string, victims []string) {
	t.Helper()
	s := site.Serve(t, "prefork_cgi {\n library "+library+"\n}", map[string]string{
		"app.pl": site.Perl("print 'first'; select undef, undef, undef, 0.02; print 'last';"),
	})
	s.Want(s.Get("/app.pl"), 200, "firstlast")
	for _, victim := range victims {
		stop := load(s, "/app.pl", "firstlast")
		deadline := time.Now().Add(time.Minute)
		for killed, last := 0, 0; killed < 20; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: only %d were there to be killed", victim, killed)
			}
			if pid := find(s, victim); pid != last && pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
				killed, last = killed+1, pid
			}
			// Whoever is killed each time before anybody was served is in a crash loop,
			// and backs off: that is TestCrashLoopsBackOff.
			s.Await("an answer", func() error {
				if r := s.Get("/app.pl"); r.Status != 200 || r.Err != nil {
					return fmt.Errorf("%d %w", r.Status, r.Err)
				}
				return nil
			})
		}
		answers := stop()
		if answers[200] == 0 || answers[wrong] > 0 {
			t.Errorf("%s killed: %v", victim, answers)
		}
		for status, n := range answers {
			if status != 200 && status != 502 && status != broken {
				t.Errorf("%s killed: %d times status %d", victim, n, status)
			}
		}
		// With our library the server is who reports how its executors have ended.
		if victim == "server" && library == "installed" && len(answers) > 1 {
			t.Errorf("a killed server has cost a request: %v", answers)
		}
		s.Want(s.Get("/app.pl"), 200, "firstlast")
	}
}

// find returns a process of a kind; 0 if there is none now. Under protocol v1 a
// monitor leads a group in the server's session; its child is the executor. In the
// native dialect the executor leads it.
func find(s *site.Site, kind string) int {
	if kind == "server" {
		// Its log line. One that is not ready is no server yet.
		ready := s.Entries("script is ready")
		pid, _ := ready[len(ready)-1]["pid"].(float64)
		return int(pid)
	}
	for _, process := range leak.Processes(s.Folder) {
		pid, _, _ := strings.Cut(process, ": ")
		stat := leak.StatOf(pid)
		leads := stat.Group == pid
		if stat.Session != pid && leads == (kind != "executor") {
			number, _ := strconv.Atoi(pid)
			return number
		}
	}
	return 0
}

func TestKilledBeforeTheHeaderIs502AndAfterItABrokenTransfer(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"before.cgi": "#!/bin/sh\nkill -9 $$\n",
		"after.cgi":  site.Shell("printf part; sleep 0.1; kill -9 $$"),
		"before.pl":  "#!/usr/bin/perl\nuse Proc::Prefork::Interp; prefork_initialisation_complete(); kill 9, $$;",
		"after.pl":   site.Perl("print 'part'; kill 9, $$;"),
	})
	for _, kind := range []string{"cgi", "pl"} {
		s.Want(s.Get("/before."+kind), 502, "")
		if r := s.Get("/after." + kind); r.Status != 200 || r.Err == nil {
			t.Errorf("%s looks complete: %d %q", kind, r.Status, r.Body)
		}
	}
	s.AwaitEntry("script has ended", func(e map[string]any) bool { return e["exit_status"] == "SIGKILL" })
}

func TestNothingIsLeftWhenCaddyIsKilled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for library, names := range map[string][]string{
		"installed": {"stubborn.pl [monitor", "cold.cgi", "upload.cgi", "setup.pl", "warm.pl [server]"},
		"bundled":   {"stubborn.pl", "cold.cgi", "upload.cgi", "setup.pl", "warm.pl"},
	} {
		t.Run(library, func(t *testing.T) { killCaddy(t, library, names) })
	}
}

func killCaddy(t *testing.T, library string, names []string) {
	t.Helper()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 4\n library "+library+"\n}", map[string]string{
		"warm.pl":     site.Perl("print 'ok'; select undef, undef, undef, 0.01;"),
		"stubborn.pl": site.Perl("$SIG{$_} = 'IGNORE' for qw(INT TERM HUP); sleep 1000 while 1;"),
		"cold.cgi":    site.Shell("sleep 1000; true"),
		"upload.cgi":  site.Shell("cat >/dev/null; sleep 1000"),
		"setup.pl":    "#!/usr/bin/perl\nsleep 1000; prefork_initialisation_complete();\n",
	})
	var all sync.WaitGroup
	for _, path := range []string{"/stubborn.pl", "/cold.cgi", "/setup.pl"} {
		all.Go(func() { s.Get(path) })
	}
	all.Go(func() {
		s.Do("POST", "/upload.cgi", struct{ *strings.Reader }{strings.NewReader(strings.Repeat("x", 1<<20))})
	})
	stop := load(s, "/warm.pl", "ok")
	s.Await("all scripts", func() error {
		for _, name := range names {
			if !strings.Contains(strings.Join(leak.Processes(s.Folder), "\n"), name) {
				return errors.New(name + " does not run")
			}
		}
		return nil
	})
	s.Cmd.Process.Kill()
	<-s.Exited
	all.Wait()
	stop()
	s.Await("the end of all processes", func() error {
		if left := leak.Processes(s.Folder); len(left) > 0 {
			return fmt.Errorf("%q are left", left)
		}
		return nil
	})
	for _, pattern := range []string{"/*prefork*", "/.prefork*"} {
		if files, _ := filepath.Glob(os.TempDir() + pattern); len(files) > 0 {
			t.Errorf("files are left: %q", files)
		}
	}
	s.Start() // and it can be started again
	s.Want(s.Get("/warm.pl"), 200, "ok")
}

func TestCaddyEndsInTimeAndLeavesNothing(t *testing.T) {
	s := site.Serve(t, "global grace_period 1s\n\nprefork_cgi", map[string]string{
		"warm.pl":     site.Perl("print 'ok';"),
		"stubborn.pl": site.Perl("$SIG{$_} = 'IGNORE' for qw(INT TERM HUP); sleep 1000 while 1;"),
		"cold.cgi":    site.Shell("trap '' TERM INT; sleep 1000; true"),
	})
	s.Want(s.Get("/warm.pl"), 200, "ok")
	var all sync.WaitGroup
	for _, path := range []string{"/stubborn.pl", "/cold.cgi"} {
		all.Go(func() { s.Get(path) })
	}
	s.Await("the scripts", func() error {
		if n := len(leak.Processes(s.Folder)); n < 4 {
			return fmt.Errorf("%d processes", n)
		}
		return nil
	})
	s.Cmd.Process.Signal(syscall.SIGTERM)
	<-s.Exited
	if left := leak.Processes(s.Folder); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
	all.Wait()
}
