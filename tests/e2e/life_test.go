package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
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

// How Caddy ends, and what of us with it.

// unitLimit is what Caddy's systemd unit allows for everything.
const unitLimit = 5 * time.Second

// stubborn are scripts that ignore what asks them to end, in processes that do too.
var stubborn = map[string]string{
	"warm.pl": site.Perl("$SIG{$_} = 'IGNORE' for qw(INT TERM HUP QUIT); fork; fork; sleep 1000 while 1;"),
	"cold.cgi": site.Shell("trap '' TERM INT HUP QUIT; (sleep 1000; true) & (sleep 1000; true) &\n" +
		"sleep 1000; sleep 1000"),
	"setup.pl": "#!/usr/bin/perl\n$SIG{$_} = 'IGNORE' for qw(INT TERM HUP QUIT); sleep 1000 while 1; prefork_initialisation_complete();\n",
	"idle.pl":  site.Perl("print 'ok';"),
}

// signalled returns what sends a signal to Caddy alone, as with KillMode=mixed.
func signalled(sig syscall.Signal) func(*site.Site) {
	return func(s *site.Site) { s.Cmd.Process.Signal(sig) }
}

// allSignalled sends SIGTERM to Caddy and all its processes, as with
// KillMode=control-group, which is what systemd does unless it is told otherwise.
func allSignalled(s *site.Site) {
	caddy := strconv.Itoa(s.Cmd.Process.Pid)
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		number := strings.Split(file, "/")[2]
		line, _ := os.ReadFile(file)
		if number == caddy || leak.StatOf(number).Parent == caddy || strings.Contains(string(line), s.Folder) {
			if pid, err := strconv.Atoi(number); err == nil {
				syscall.Kill(pid, syscall.SIGTERM)
			}
		}
	}
}

// stopped does what `caddy stop` does.
func stopped(s *site.Site) {
	resp, err := http.Post("http://"+s.Admin+"/stop", "", nil)
	if err != nil {
		s.T.Errorf("caddy stop: %v", err)
		return
	}
	resp.Body.Close()
}

// Whatever ends Caddy ends everything, by ourselves and before a service manager
// would have to kill it; though the scripts ignore all that asks them to.
func TestEverythingEndsWithCaddyInTime(t *testing.T) {
	for name, end := range map[string]func(*site.Site){
		"SIGTERM":              signalled(syscall.SIGTERM),
		"SIGINT":               signalled(syscall.SIGINT),
		"SIGQUIT":              signalled(syscall.SIGQUIT),
		"SIGKILL":              signalled(syscall.SIGKILL),
		"caddy stop":           stopped,
		"SIGTERM to the group": allSignalled,
	} {
		for _, library := range []string{"bundled", "installed"} {
			t.Run(name+", "+library, func(t *testing.T) {
				t.Parallel()
				endInTime(t, library, end)
			})
		}
	}
}

func endInTime(t *testing.T, library string, end func(*site.Site)) {
	t.Helper()
	s := site.Prepare(t, "prefork_cgi {\n library "+library+"\n}", stubborn)
	temporary := t.TempDir()
	// This becomes Caddy, which with the race detector would sleep for a second at its end.
	s.Under = []string{"env", "TMPDIR=" + temporary, "GORACE=atexit_sleep_ms=0"}
	s.Start()
	s.Want(s.Get("/idle.pl"), 200, "ok")
	var all sync.WaitGroup
	for _, path := range []string{"/warm.pl", "/cold.cgi", "/setup.pl"} {
		all.Go(func() { s.Get(path) })
	}
	s.Await("the scripts", func() error {
		// The server, four processes of the executor, as many of the shell, and a setup.
		for name, n := range map[string]int{"warm.pl": 5, "cold.cgi": 3, "setup.pl": 1} {
			if got := len(leak.Processes(s.Path(name))); got < n {
				return fmt.Errorf("%d processes of %s", got, name)
			}
		}
		return nil
	})
	began := time.Now()
	end(s)
	<-s.Exited
	s.Await("the end of all processes", func() error {
		if left := leak.Processes(s.Folder); len(left) > 0 {
			return fmt.Errorf("%q are left", left)
		}
		return nil
	})
	took := time.Since(began)
	t.Logf("everything has ended after %v", took)
	if took > unitLimit {
		t.Errorf("%v is too late: after %v all is killed", took, unitLimit)
	}
	all.Wait()
	if files, _ := filepath.Glob(temporary + "/*"); len(files) > 0 {
		t.Errorf("files are left: %q", files)
	}
}

// awaitFile waits until a script has written a file of the site.
func awaitFile(s *site.Site, name string) {
	s.T.Helper()
	s.Await(name, func() error {
		_, err := os.Stat(s.Path(name))
		return err
	})
}

// held are scripts that begin, and end when the test says so.
var held = map[string]string{
	"held.pl":  site.Perl("print 'begun '; mkdir 'begun.pl'; select undef, undef, undef, 0.01 until -e 'go'; print 'ended';"),
	"held.cgi": site.Shell("printf 'begun '; mkdir begun.cgi; until [ -e go ]; do sleep 0.01; done; printf ended"),
	"app.pl":   site.Perl("print 'ok';"),
	"app.cgi":  site.Shell("printf ok"),
}

// awaitQueue waits until a request of a script runs and another waits.
func awaitQueue(t *testing.T, s *site.Site, script string) {
	t.Helper()
	s.Await("the queue", func() error {
		if p := status(t, s, script); p.Running != 1 || p.Waiting != 1 {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
}

// letGo has the held scripts end.
func letGo(s *site.Site) {
	s.T.Helper()
	site.Must(s.T, os.WriteFile(s.Path("go"), nil, 0o600))
}

// awaitClosed waits until Caddy accepts no connections.
func awaitClosed(s *site.Site) {
	s.T.Helper()
	s.Await("the end of listening", func() error {
		conn, err := net.Dial("tcp", s.Addr)
		if err != nil {
			return nil // it is what is waited for
		}
		conn.Close()
		return errors.New("it accepts")
	})
}

func TestShutdownDelayServesAsEver(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "global shutdown_delay 4s\n\nrespond /state {http.shutting_down}\nprefork_cgi", held)
	s.Want(s.Get("/app.pl"), 200, "ok")
	s.Want(s.Get("/state"), 200, "false")
	s.Cmd.Process.Signal(syscall.SIGTERM)
	s.Await("the delay", func() error {
		if r := s.Get("/state"); r.Body != "true" {
			return fmt.Errorf("%d %q", r.Status, r.Body)
		}
		return nil
	})
	// What runs goes on, and so does what has not been started yet.
	s.Want(s.Get("/app.pl"), 200, "ok")
	s.Want(s.Get("/app.cgi"), 200, "ok")
	s.Want(s.Get("/state"), 200, "true")
	<-s.Exited
}

func TestGracePeriodFinishesWhatRunsAndWhatWaits(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "global grace_period 20s\n\nprefork_cgi {\n max_concurrent 1\n}", held)
	var all sync.WaitGroup
	for _, script := range []string{"held.pl", "held.cgi"} {
		all.Go(func() { s.Want(s.Get("/"+script), 200, "begun ended") })
		awaitFile(s, "begun"+filepath.Ext(script))
		all.Go(func() { s.Want(s.Get("/"+script), 200, "begun ended") })
	}
	awaitQueue(t, s, "held.pl")
	awaitQueue(t, s, "held.cgi")
	s.Cmd.Process.Signal(syscall.SIGTERM)
	awaitClosed(s)
	letGo(s)
	all.Wait()
	<-s.Exited
}

// Without a grace period of its own Caddy would wait for ever.
func TestRequestsAreFinishedForAWhileWithoutAGracePeriod(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", held)
	var all sync.WaitGroup
	all.Go(func() { s.Want(s.Get("/held.pl"), 200, "begun ended") })
	awaitFile(s, "begun.pl")
	s.Cmd.Process.Signal(syscall.SIGTERM)
	awaitClosed(s)
	letGo(s)
	all.Wait()
	<-s.Exited
	if lines := s.Entries(brokenOff); len(lines) > 0 {
		t.Errorf("nothing was: %v", lines)
	}
}

const brokenOff = "Caddy exits, and requests are broken off; the global option grace_period gives them more time"

func TestRequestsThatDoNotEndAreBrokenOff(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 1\n}", held)
	var all sync.WaitGroup
	all.Go(func() {
		if r := s.Get("/held.pl"); r.Status != 200 || r.Err == nil {
			t.Errorf("what ran looks complete: %d %q", r.Status, r.Body)
		}
	})
	awaitFile(s, "begun.pl")
	all.Go(func() { s.Want(s.Get("/held.pl"), 503, "") })
	awaitQueue(t, s, "held.pl")
	s.Cmd.Process.Signal(syscall.SIGTERM)
	all.Wait()
	<-s.Exited
	if lines := s.Entries(brokenOff); len(lines) != 1 || lines[0]["requests"] != 2.0 {
		t.Errorf("the log says %v", lines)
	}
}
