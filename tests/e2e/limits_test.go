package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// counted is the body of a warm or cold Perl script that notes in a folder how
// many of its kind run when it begins, and takes a while.
func counted(folder string) string {
	return `
my $me = "` + folder + `/$$"; open my $f, '>', $me; opendir my $d, "` + folder + `"; my $n = grep { /^\d/ } readdir $d;
open my $m, '>>', "` + folder + `/most"; print $m "$n\n"; close $m;
select undef, undef, undef, 0.05; unlink $me; print 'done';`
}

// most returns the highest number that was noted.
func most(t *testing.T, folder string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "most"))
	site.Must(t, err)
	highest := 0
	for line := range strings.Lines(string(text)) {
		n, _ := strconv.Atoi(strings.TrimSpace(line))
		highest = max(highest, n)
	}
	return highest
}

func TestNoMoreExecutorsThanAllowed(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(string) string{
		"warm": func(f string) string {
			return strings.Replace(site.Perl(counted(f)), "log_facility", "max_servers => -1, log_facility", 1)
		},
		"cold": func(f string) string {
			return "#!/usr/bin/perl\nprint \"Content-Type: text/plain\\n\\n\";" + counted(f)
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			s := site.Serve(t, "prefork_cgi {\n max_concurrent 4\n}", map[string]string{"app.pl": script(folder)})
			for _, r := range s.Parallel(50, "/app.pl") {
				s.Want(r, 200, "done")
			}
			if n := most(t, folder); n > 4 || n < 2 {
				t.Errorf("%d ran at once", n)
			}
		})
	}
}

func TestSurplusIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 4\n queue 10\n}", map[string]string{
		"app.pl": site.Perl("select undef, undef, undef, 0.3; print 'done';"),
	})
	s.Want(s.Get("/app.pl"), 200, "done")
	answers := map[int]int{}
	for _, r := range s.Parallel(50, "/app.pl") {
		answers[r.Status]++
		if r.Status == 503 && (r.Header.Get("Retry-After") == "" || r.Took > 250*time.Millisecond) {
			t.Errorf("refused after %v, Retry-After %q", r.Took, r.Header.Get("Retry-After"))
		}
	}
	if answers[200] != 14 || answers[503] != 36 {
		t.Errorf("answers: %v", answers)
	}
}

func TestWaitingHasALimit(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 1\n queue 5 200ms\n}", map[string]string{
		"app.cgi": site.Shell("sleep 1; printf done"),
	})
	answers := map[int]int{}
	for _, r := range s.Parallel(3, "/app.cgi") {
		answers[r.Status]++
	}
	if answers[200] != 1 || answers[503] != 2 {
		t.Errorf("answers: %v", answers)
	}
}

func TestTimeLimits(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `
	prefork_cgi {
		timeout 1500ms
		start_timeout 1500ms
		grace_period 200ms
	}`, map[string]string{
		"header.cgi":   "#!/bin/sh\nsleep 30\n",
		"stubborn.cgi": "#!/bin/sh\ntrap '' TERM INT\n(trap '' TERM INT; sleep 30; true) & sleep 30; sleep 30\n",
		"silent.cgi":   site.Shell("printf some; sleep 30"),
		"slow.cgi":     site.Shell("for i in 1 2 3 4 5 6; do printf $i; sleep 0.4; done"),
		"warm.pl":      site.Perl("sleep 30"),
		"header.pl":    strings.Replace(site.Perl(""), "$| = 1;", "sleep 30;", 1),
		"setup.pl":     "#!/usr/bin/perl\nprint STDERR 'still loading'; sleep 30; prefork_initialisation_complete();\n",
	})
	for _, path := range []string{"/header.cgi", "/header.pl", "/setup.pl", "/stubborn.cgi"} {
		s.Want(s.Get(path), 504, "")
	}
	for _, path := range []string{"/silent.cgi", "/warm.pl"} {
		if r := s.Get(path); r.Status != 200 || r.Err == nil {
			t.Errorf("%s looks complete: %d %q", path, r.Status, r.Body)
		}
	}
	s.Want(s.Get("/slow.cgi"), 200, "123456")
	s.AwaitEntry("script cannot be started", func(e map[string]any) bool {
		return strings.Contains(fmt.Sprint(e["error"]), "still loading")
	})
}

func TestScriptEndsWithItsClient(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"cold.cgi":   site.Shell("echo $$; exec sleep 1000"),
		"warm.pl":    site.Perl("print qq{$$\\n}; sleep 1000;"),
		"silent.cgi": "#!/bin/sh\necho $$ > pid; exec sleep 1000\n",
	})
	for _, path := range []string{"/cold.cgi", "/warm.pl", "/silent.cgi"} {
		conn, err := net.Dial("tcp", s.Addr)
		site.Must(t, err)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path)
		var pid int
		if path == "/silent.cgi" {
			s.Await("the script", func() error {
				text, _ := os.ReadFile(s.Path("pid"))
				_, err := fmt.Sscan(string(text), &pid)
				return err
			})
		} else {
			buffer := make([]byte, 4096)
			var text string
			for !strings.Contains(text, "\r\n\r\n") || !strings.HasSuffix(text, "\n\r\n") {
				n, err := conn.Read(buffer)
				site.Must(t, err)
				text += string(buffer[:n])
			}
			lines := strings.Fields(text)
			pid, _ = strconv.Atoi(lines[len(lines)-1])
		}
		if pid == 0 || !site.Alive(pid) {
			t.Errorf("%s: no process %d", path, pid)
		}
		conn.Close()
		s.AwaitGone(pid)
	}
}

func TestLibrarysOwnLimitIsNotWaitedForLongerThanAllowed(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n queue 10 2s\n max_concurrent 4\n}", map[string]string{
		"app.pl": strings.Replace(site.Perl("print 'x '; for (1..8) { sleep 1; print 'x ' }"), "log_facility", "max_servers => 1, log_facility", 1),
	})
	answers := map[int]int{}
	for _, r := range s.Parallel(2, "/app.pl") {
		answers[r.Status]++
	}
	if answers[200] != 1 || answers[503] != 1 {
		t.Errorf("answers: %v", answers)
	}
}

func TestClientThatTakesNothingDoesNotHoldAnExecutor(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "global servers {\n timeouts {\n write_idle 1s\n }\n}\n\nprefork_cgi", map[string]string{
		"endless.cgi": site.Shell("echo $$; exec cat /dev/zero"),
	})
	conn, err := net.Dial("tcp", s.Addr)
	site.Must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET /endless.cgi HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	entry := s.AwaitEntry("script has ended", func(map[string]any) bool { return true })
	if entry["exit_status"] != "SIGTERM" && entry["exit_status"] != "SIGPIPE" {
		t.Errorf("it ended with %v", entry)
	}
}

func TestIdlePoolsSleepAndGo(t *testing.T) {
	t.Parallel()
	const pools = 50
	quiet, idle := 20*time.Second, 100*time.Second
	if testing.Short() {
		quiet, idle = 2*time.Second, 50*time.Second
	}
	files := map[string]string{}
	for i := range pools {
		files[fmt.Sprintf("s%d.pl", i)] = site.Perl("print 'ok';")
	}
	s := site.Serve(t, "prefork_cgi {\n idle_timeout "+idle.String()+"\n}", files)
	began := time.Now()
	for i := range pools {
		s.Want(s.Get(fmt.Sprintf("/s%d.pl", i)), 200, "ok")
	}
	var before map[string]int
	s.Await("rest after the last request", func() error {
		var err error
		before, err = settled(s)
		return err
	})
	quiet = min(quiet, idle/2-time.Since(began)-time.Second) // then the first of the parked executors leaves
	if quiet < time.Second {
		t.Fatalf("this machine is too slow: %d pools took %v", pools, time.Since(began))
	}
	time.Sleep(quiet) // this is the time in which nothing may happen
	after, err := switches(slices.Collect(maps.Keys(before)))
	site.Must(t, err)
	for pid, n := range after {
		if n != before[pid] {
			t.Errorf("process %s woke up %d times", pid, n-before[pid])
		}
	}
	if len(before) < pools {
		t.Errorf("only %d processes for %d pools", len(before), pools)
	}
	s.Patience = 2 * idle
	s.Await("the end of all", func() error {
		if left := descendants(s); len(left) > 0 {
			return fmt.Errorf("%d processes are left", len(left))
		}
		return nil
	})
}

// descendants returns the servers and guards that belong to this Caddy: what
// runs a script of the site, and its children.
func descendants(s *site.Site) []string {
	var found []string
	entries, _ := os.ReadDir("/proc")
	caddy := strconv.Itoa(s.Cmd.Process.Pid)
	for _, entry := range entries {
		pid := entry.Name()
		line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
		if strings.Contains(string(line), s.Folder) || leak.StatOf(pid).Parent == caddy {
			found = append(found, pid)
		}
	}
	return found
}

// atRest says which of the processes still has something to do: a call that is
// ending, or anything else.
func atRest(pids []string) error {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		stat := leak.StatOf(entry.Name())
		if stat.Running() && slices.Contains(pids, stat.Parent) && !slices.Contains(pids, entry.Name()) {
			return fmt.Errorf("process %s has a new child", stat.Parent)
		}
	}
	for _, pid := range pids {
		if state := leak.StatOf(pid).State; state != "S" {
			return fmt.Errorf("process %s is in state %q", pid, state)
		}
	}
	return nil
}

// settled returns what switches does of the processes of a site when nothing of them has moved for longer than
// an executor is made ahead of need after a request: see headStart in the pool.
func settled(s *site.Site) (map[string]int, error) {
	pids := descendants(s)
	if err := atRest(pids); err != nil {
		return nil, err
	}
	before, err := switches(pids)
	if err != nil {
		return nil, err
	}
	time.Sleep(500 * time.Millisecond)
	after, err := switches(descendants(s))
	if err == nil && !maps.Equal(before, after) {
		err = errors.New("something has moved")
	}
	return after, err
}

// switches returns how often each process has given up the processor by itself,
// that is, has woken up to do something.
func switches(pids []string) (map[string]int, error) {
	counts := map[string]int{}
	for _, pid := range pids {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			return nil, err
		}
		_, after, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
		n := 0
		if _, err := fmt.Sscan(after, &n); err != nil {
			return nil, fmt.Errorf("no count in %q", status)
		}
		counts[pid] = n
	}
	return counts, nil
}

func TestRequestsGoOnWhileServersComeAndGo(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n idle_timeout 1ms\n}", map[string]string{"app.pl": site.Perl("print 'ok';")})
	stop := background(func(context.Context) {
		s.Want(s.Get("/app.pl"), 200, "ok")
	})
	for range 20 {
		s.Want(s.Get("/app.pl"), 200, "ok")
	}
	stop()
}
