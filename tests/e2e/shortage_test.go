package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// limitTo sets a limit of a process and returns a function that puts back what was.
func limitTo(t *testing.T, pid, resource int, n uint64) (restore func()) {
	t.Helper()
	var old unix.Rlimit
	site.Must(t, unix.Prlimit(pid, resource, nil, &old))
	site.Must(t, unix.Prlimit(pid, resource, &unix.Rlimit{Cur: n, Max: old.Max}, nil))
	return func() { site.Must(t, unix.Prlimit(pid, resource, &old, nil)) }
}

// descriptorsFor returns the limit with which a process can open n more descriptors.
func descriptorsFor(t *testing.T, pid, n int) uint64 {
	t.Helper()
	limit := uint64(0)
	for ; n >= 0; limit++ {
		if _, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/%d", pid, limit)); err != nil {
			n--
		}
	}
	return limit - 1
}

// onOneConnection makes requests that need no new descriptor in Caddy. It has made one.
func onOneConnection(t *testing.T, s *site.Site) (get func(path string) site.Reply) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: 20 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	get = func(path string) site.Reply {
		resp, err := client.Get("http://" + s.Addr + path)
		if err != nil {
			return site.Reply{Err: err}
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return site.Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(text), Err: err}
	}
	get("/none")
	return get
}

// awaitWarm waits until a script is served again that was not, and is warm.
func awaitWarm(s *site.Site, path string) {
	s.T.Helper()
	s.Await("recovery", func() error {
		if r := s.Get(path); r.Status != 200 || r.Header.Get("Prefork-Mode") != "automatic" {
			return fmt.Errorf("%s: %d, mode %q", path, r.Status, r.Header.Get("Prefork-Mode"))
		}
		return nil
	})
}

// wantShortage checks an answer that only the machine is to blame for.
func wantShortage(t *testing.T, what string, r site.Reply) {
	t.Helper()
	if r.Status != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("%s: %d, Retry-After %q, %v", what, r.Status, r.Header.Get("Retry-After"), r.Err)
	}
}

func TestOutOfDescriptors(t *testing.T) {
	files := map[string]string{"warm.pl": site.Perl("print 'ok'"), "cold.cgi": site.Shell("printf ok")}
	const rooms = 30
	for room := range rooms {
		files[fmt.Sprintf("new%d.pl", room)] = "#!/usr/bin/perl\nprint qq{Content-Type: text/plain\\n\\nok};\n"
	}
	s := site.Serve(t, withMode+"prefork_cgi {\n parked off\n}", files)
	pid := s.Cmd.Process.Pid
	get := onOneConnection(t, s)
	for _, path := range []string{"/warm.pl", "/cold.cgi"} {
		s.Want(get(path), 200, "ok")
	}
	refused := 0
	for room := range rooms {
		restore := limitTo(t, pid, unix.RLIMIT_NOFILE, descriptorsFor(t, pid, room))
		fresh := fmt.Sprintf("/new%d.pl", room)
		for _, path := range []string{"/warm.pl", "/cold.cgi", fresh} {
			r := get(path)
			if r.Status != 200 || r.Body != "ok" {
				wantShortage(t, fmt.Sprintf("%s with %d descriptors", path, room), r)
				refused++
			}
		}
		restore()
		for _, path := range []string{"/warm.pl", "/cold.cgi"} {
			s.Want(get(path), 200, "ok")
		}
	}
	for room := range rooms { // they were all tried at the wrong moment
		awaitWarm(s, fmt.Sprintf("/new%d.pl", room))
	}
	if n := failures(s, "shortage"); refused == 0 || n == 0 {
		t.Errorf("%d were refused, %v are counted", refused, n)
	}
}

func TestServerThatCannotForkIsNotStartedAnew(t *testing.T) {
	t.Parallel()
	// Nobody else is this user, whose processes are counted; and root's are not.
	files := map[string]string{}
	for _, extension := range []string{"pl", "py"} {
		files["app."+extension] = explicit(extension, "", ok[extension])
	}
	s := prepareAs(t, 64_123, "prefork_cgi {\n parked off\n}", files)
	s.Start()
	for script := range files {
		s.Want(s.Get("/"+script), 200, "ok")
		restore := noProcessesFor(t, 64_123, s.ServerPID(script))
		before := failures(s, "shortage")
		for range 3 {
			wantShortage(t, script, s.Get("/"+script))
		}
		if n := failures(s, "shortage"); n != before+3 {
			t.Errorf("%v are counted", n-before)
		}
		awaitEntryOf(s, "executor cannot be made", script)
		restore()
		s.Want(s.Get("/"+script), 200, "ok")
		awaitEntryOf(s, "script is ready", script)
	}
}

// Ruby does not say that it cannot fork: it tries again each second, by itself.
func TestRubyWaitsUntilItCanFork(t *testing.T) {
	t.Parallel()
	s := prepareAs(t, 64_125, "prefork_cgi {\n parked off\n queue 10 500ms\n}", map[string]string{"app.rb": explicit("rb", "", ok["rb"])})
	s.Start()
	s.Want(s.Get("/app.rb"), 200, "ok")
	restore := noProcessesFor(t, 64_125, s.ServerPID("app.rb"))
	wantShortage(t, "ruby", s.Get("/app.rb"))
	if n := failures(s, "queue_timeout"); n != 1 {
		t.Errorf("%v are counted", n)
	}
	restore()
	s.Await("recovery", func() error {
		if r := s.Get("/app.rb"); r.Status != 200 {
			return fmt.Errorf("%d", r.Status)
		}
		return nil
	})
	awaitEntryOf(s, "script is ready", "app.rb")
}

// makeThreads has Caddy start threads, each of which waits for somebody to write to
// a pipe. They stay when that is over, so that Caddy, which ends where it cannot have
// a thread, needs no other: threads count as processes.
func makeThreads(s *site.Site, n int) {
	s.T.Helper()
	site.Must(s.T, syscall.Mkfifo(s.Path("pipe"), 0o644))
	answered := make(chan struct{})
	go func() {
		s.Parallel(n, "/pipe")
		close(answered)
	}()
	s.Await("threads", func() error {
		waiting, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", s.Cmd.Process.Pid))
		if len(waiting) < n {
			return fmt.Errorf("there are %d", len(waiting))
		}
		return nil
	})
	pipe, err := os.OpenFile(s.Path("pipe"), os.O_RDWR, 0)
	site.Must(s.T, err)
	site.Must(s.T, os.Remove(s.Path("pipe")))
	pipe.Close()
	<-answered
}

// noProcessesFor forbids a process of a user to fork; only that user may.
func noProcessesFor(t *testing.T, user, pid int) (restore func()) {
	t.Helper()
	limit := func(how ...string) string {
		command := append([]string{"--reuid=" + strconv.Itoa(user), "--regid=" + strconv.Itoa(user), "--clear-groups", "prlimit", "--pid", strconv.Itoa(pid)}, how...)
		out, err := exec.Command("setpriv", command...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	old := limit("--nproc", "--output=SOFT", "--noheadings", "--raw")
	limit("--nproc=1:")
	return func() { limit("--nproc=" + old + ":") }
}

// prepareAs is site.Prepare for a Caddy that another user runs, who may not go where the
// test binary is: it is executed by its descriptor.
func prepareAs(t *testing.T, user int, config string, files map[string]string) *site.Site {
	t.Helper()
	s := site.Prepare(t, config, files)
	if os.Getuid() != 0 {
		t.Skip("only root can run Caddy as somebody else")
	}
	for _, folder := range []string{s.Folder, s.State} {
		site.Must(t, os.Chmod(filepath.Dir(folder), 0o755))
		site.Must(t, os.Chown(folder, user, user))
	}
	s.Under = []string{"/bin/sh", "-c", `exec 9<"$0" && exec setpriv --reuid=` + strconv.Itoa(user) + ` --regid=` + strconv.Itoa(user) +
		` --clear-groups /proc/self/fd/9 "$@"`}
	return s
}

func TestOutOfProcesses(t *testing.T) {
	s := prepareAs(t, 64_124, withMode+"prefork_cgi\nfile_server", map[string]string{
		"cold.cgi": site.Shell("printf ok"), "new.pl": "#!/usr/bin/perl\nprint qq{Content-Type: text/plain\\n\\nok};\n",
	})
	s.Start()
	s.Want(s.Get("/cold.cgi"), 200, "ok")
	makeThreads(s, 24)
	restore := noProcessesFor(t, 64_124, s.Cmd.Process.Pid)
	wantShortage(t, "cold", s.Get("/cold.cgi"))
	wantShortage(t, "new", s.Get("/new.pl"))
	restore()
	awaitEntryOf(s, "script cannot be called", "cold.cgi")
	awaitEntryOf(s, notStarted, "new.pl")
	s.Want(s.Get("/cold.cgi"), 200, "ok")
	awaitWarm(s, "/new.pl")
}

func TestOutOfMemory(t *testing.T) {
	hungry := map[string]string{
		"pl": `my @all; push @all, 'x' x 1_000_000 for 1..200;` + ok["pl"],
		"py": "all = [b'x' * 1_000_000 for _ in range(200)]\n" + ok["py"],
		"rb": "all = (1..200).map { 'x' * 1_000_000 }\n" + ok["rb"],
	}
	files := map[string]string{
		"setup.pl": explicit("pl", "system('prlimit', '--as=100000000', '--pid', $$); "+hungry["pl"], ok["pl"]),
		"cold.cgi": "#!/bin/sh\nulimit -v 100000\nexec /usr/bin/perl -e 'my @all; push @all, q{x} x 1_000_000 for 1..200; print qq{\\n\\n}'\n",
	}
	for extension, code := range hungry {
		files["app."+extension] = explicit(extension, "", map[string]string{
			"pl": "if ($ENV{QUERY_STRING}) { " + code + " exit }\n", "rb": "if ENV['QUERY_STRING'] != ''\n" + code + "\nexit\nend\n",
			"py": "if os.environ['QUERY_STRING']:\n    " + strings.ReplaceAll(code, "\n", "\n    ") + "\n    sys.exit()\n",
		}[extension]+strings.ReplaceAll(ok[extension], "\n    ", "\n"))
	}
	s := site.Serve(t, "prefork_cgi {\n parked off\n}", files)
	for _, extension := range []string{"pl", "py", "rb"} {
		script := "app." + extension
		s.Want(s.Get("/"+script), 200, "ok")
		s.Want(s.Get("/"+script+"?all"), 200, "ok")
		size, _ := strconv.ParseUint(strings.Fields(statm(t, s.ServerPID(script)))[0], 10, 64)
		limitTo(t, s.ServerPID(script), unix.RLIMIT_AS, size*uint64(os.Getpagesize())+100_000_000)
		s.Want(s.Get("/"+script+"?all"), 502, "")
		s.AwaitEntry(hasEnded, func(e map[string]any) bool {
			return e["script"] == s.Path(script) && e["level"] == "error"
		})
		s.Want(s.Get("/"+script), 200, "ok") // by the same server
		awaitEntryOf(s, "script is ready", script)
	}
	s.Want(s.Get("/cold.cgi"), 502, "")
	s.Want(s.Get("/setup.pl"), 502, "")
	if e := awaitEntryOf(s, notStarted, "setup.pl"); !strings.Contains(fmt.Sprint(e["error"]), "memory") {
		t.Errorf("%v", e)
	}
	if n := failures(s, "no_header"); n != 4 {
		t.Errorf("%v are counted", n)
	}
}

func statm(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	site.Must(t, err)
	return string(text)
}

func TestDiskIsFull(t *testing.T) {
	s := site.Prepare(t, withMode+"prefork_cgi", map[string]string{
		"count.cgi": site.Shell("wc -c"), "app.pl": "#!/usr/bin/perl\nprint qq{Content-Type: text/plain\\n\\nok};\n",
	})
	// Caddy's data and all temporary files are on a small disk.
	disk := filepath.Join(s.State, "caddy")
	site.Must(t, os.Mkdir(disk, 0o755))
	if err := unix.Mount("none", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("TMPDIR", disk)
	s.Start()
	filler := filepath.Join(disk, "filler")
	file, err := os.Create(filler)
	site.Must(t, err)
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	site.Must(t, file.Close())
	upload := func() site.Reply {
		return s.Do(http.MethodPost, "/count.cgi", struct{ *strings.Reader }{strings.NewReader(strings.Repeat("x", 200_000))})
	}
	wantShortage(t, "body", upload())
	wantShortage(t, "libraries", s.Get("/app.pl"))
	awaitEntryOf(s, notStarted, "app.pl")
	if n := failures(s, "shortage"); n != 2 {
		t.Errorf("%v are counted", n)
	}
	site.Must(t, os.Remove(filler))
	s.Want(upload(), 200, "200000\n")
	awaitWarm(s, "/app.pl")
}
