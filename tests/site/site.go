// Package site runs a real Caddy with real scripts for tests: the test binary
// itself, which is Caddy when [Main] says so.
package site

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/prefork-cgi/prefork-cgi"
	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// caddyVariable makes the test binary Caddy.
const caddyVariable = "PREFORK_TEST_CADDY"

// Main is for TestMain. It makes the test binary the Caddy that the tests run:
// built once, with the race detector if the tests are.
func Main(m *testing.M) {
	if os.Getenv(caddyVariable) != "" {
		caddycmd.Main()
		return
	}
	os.Exit(m.Run())
}

// A Site is a folder of scripts and the Caddy that serves it.
type Site struct {
	T      testing.TB
	Folder string // of scripts
	State  string // of everything else
	Addr   string
	Admin  string
	Config string   // what stands in the site's block; see Serve
	TLS    bool     // with a certificate of Caddy's own
	Hosts  bool     // all names, and none, are the site's
	Name   string   // of the site; default: its address
	Under  []string // command that runs Caddy; empty: none
	Level  string   // of the log; default DEBUG

	Patience time.Duration // of Await; default 20s

	Cmd    *exec.Cmd
	Log    *LogBuffer
	Exited chan struct{}
}

// Serve starts a Caddy for files in a fresh folder. config is what stands in the
// site block after `root`; an entry of files whose name ends in "/" is a folder.
func Serve(tb testing.TB, config string, files map[string]string) *Site {
	tb.Helper()
	s := Prepare(tb, config, files)
	s.Start()
	return s
}

// Prepare is Serve without the start.
func Prepare(tb testing.TB, config string, files map[string]string) *Site {
	tb.Helper()
	s := &Site{T: tb, Folder: tb.TempDir(), State: tb.TempDir(), Config: config}
	leak.CheckProcesses(tb, s.Folder)
	s.Addr, s.Admin = FreeAddr(tb), FreeAddr(tb)
	for name, text := range files {
		s.Write(name, text)
	}
	return s
}

// given has the ports that FreeAddr has returned: tests run side by side, and who has been given
// one does not listen yet.
var given sync.Map

// FreeAddr returns a loopback address where nobody listens, and that no other caller has. Its port is none
// that the kernel would give a client by itself.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	for range 1000 {
		port := 15000 + rand.IntN(17000)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return l.Addr().String()
		}
	}
	tb.Fatal("there is no free port")
	return ""
}

// Write writes an executable file of the site, or one that is not if its name
// begins with "-".
func (s *Site) Write(name, text string) {
	s.T.Helper()
	mode := os.FileMode(0o755)
	if name[0] == '-' {
		name, mode = name[1:], 0o644
	}
	path := s.Path(name)
	Must(s.T, os.MkdirAll(filepath.Dir(path), 0o755))
	Must(s.T, os.WriteFile(path, []byte(text), mode))
	Must(s.T, os.Chmod(path, mode))
}

func (s *Site) Path(name string) string { return filepath.Join(s.Folder, name) }

// Must stops the test that cannot go on.
func Must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Caddyfile writes the configuration and returns its path. @SITE@ and @STATE@ in
// it stand for the folders. A first line "global ..." is a global option block.
func (s *Site) Caddyfile() string {
	s.T.Helper()
	global, config := "", s.Config
	if rest, ok := strings.CutPrefix(config, "global "); ok {
		global, config, _ = strings.Cut(rest, "\n\n")
	}
	_, port, _ := net.SplitHostPort(s.Addr)
	scheme, host := "http", cmp.Or(s.Name, "127.0.0.1")
	if s.Hosts {
		host = ""
	}
	if s.TLS {
		scheme, config = "https", "tls internal\n"+config
	}
	text := fmt.Sprintf(`{
	admin %s
	skip_install_trust
	auto_https disable_redirects
	persist_config off
	storage file_system @STATE@
	log {
		level %s
	}
	%s
}
%s://%s:%s {
	bind 127.0.0.1
	log
	root * @SITE@
	%s
}
`, s.Admin, cmp.Or(s.Level, "DEBUG"), global, scheme, host, port, config)
	text = strings.NewReplacer("@SITE@", s.Folder, "@STATE@", s.State).Replace(text)
	path := filepath.Join(s.State, "Caddyfile")
	Must(s.T, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// Caddy returns a command of this Caddy.
func (s *Site) Caddy(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), caddyVariable+"=1", "SECRET_TOKEN=secret", "PASSED=passed", "LANG=C.UTF-8", "XDG_DATA_HOME="+s.State)
	cmd.Dir = s.State
	return cmd
}

// Start starts Caddy and waits until it serves.
func (s *Site) Start() {
	s.T.Helper()
	s.Cmd = s.Caddy("run", "--config", s.Caddyfile(), "--adapter", "caddyfile")
	if len(s.Under) > 0 {
		under := exec.Command(s.Under[0], slices.Concat(s.Under[1:], s.Cmd.Args)...)
		under.Env, under.Dir = s.Cmd.Env, s.Cmd.Dir
		s.Cmd = under
	}
	s.Log = &LogBuffer{}
	s.Cmd.Stderr = s.Log
	// Of its own group, as a terminal's would be.
	s.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	Must(s.T, s.Cmd.Start())
	s.Exited = make(chan struct{})
	go func() {
		s.Cmd.Wait()
		close(s.Exited)
	}()
	s.T.Cleanup(s.Stop)
	s.Await("the server", func() error {
		conn, err := net.Dial("tcp", s.Addr)
		if err != nil {
			return err
		}
		conn.Close()
		return s.loaded()
	})
}

// loaded returns nil if Caddy has its configuration, and an error while it has none; while it
// starts it does not answer.
func (s *Site) loaded() error {
	resp, err := client.Get("http://" + s.Admin + "/config/")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	config, err := io.ReadAll(resp.Body)
	if err == nil && strings.TrimSpace(string(config)) == "null" {
		err = errors.New("it has no configuration")
	}
	return err
}

// mostShown is how much of a log is shown, in bytes, so that one that is long
// does not hide what has failed.
const mostShown = 8 << 10

// ours is what is in a report of the race detector that has to do with us. Caddy has races of its own when it
// starts, which nobody but Caddy can do anything about.
var ours = regexp.MustCompile(`prefork-cgi/prefork-cgi/(caddymod|pool|prefork|cgi)\.`)

// Stop ends Caddy as a service manager does, and shows the end of its log if the test has
// failed.
func (s *Site) Stop() {
	s.Cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.Exited:
	case <-time.After(20 * time.Second):
		s.T.Error("Caddy did not end")
		s.Cmd.Process.Kill()
	}
	log := s.Log.String()
	for report := range strings.SplitSeq(log, "==================") {
		if strings.Contains(report, "DATA RACE") && ours.MatchString(report) {
			s.T.Errorf("Caddy says %s", report[:min(len(report), mostShown)])
		}
	}
	if _, after, found := strings.Cut(log, "panic: "); found {
		s.T.Errorf("Caddy says panic: %s", after[:min(len(after), mostShown)])
	}
	if s.T.Failed() {
		s.T.Logf("the end of the log:\n%s", log[max(0, len(log)-mostShown):])
	}
}

// Reload loads the configuration again.
func (s *Site) Reload(args ...string) error {
	cmd := s.Caddy(append([]string{"reload", "--config", s.Caddyfile(), "--adapter", "caddyfile", "--address", s.Admin}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Await repeats a check until it holds.
func (s *Site) Await(what string, check func() error) {
	s.T.Helper()
	deadline := time.Now().Add(cmp.Or(s.Patience, 20*time.Second))
	err := check()
	for ; err != nil; err = check() {
		if time.Now().After(deadline) {
			s.T.Fatalf("%s: %v", what, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Trust waits until a site with TLS can be reached, and returns how: any certificate will do.
func (s *Site) Trust() *tls.Config {
	s.T.Helper()
	config := &tls.Config{InsecureSkipVerify: true}
	s.Await("the certificate", func() error {
		conn, err := tls.Dial("tcp", s.Addr, config)
		if err == nil {
			conn.Close()
		}
		return err
	})
	return config
}

// client makes each request on a connection of its own, and follows nothing.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       60 * time.Second,
}

// A Reply is a response that has been read.
type Reply struct {
	Status int
	Header http.Header
	Body   string
	Err    error // that of reading the body, or of the request
	Took   time.Duration
}

// Do makes a request; edit may change it.
func (s *Site) Do(method, path string, body io.Reader, edit ...func(*http.Request)) Reply {
	r, err := http.NewRequest(method, "http://"+s.Addr+path, body)
	if err != nil {
		return Reply{Err: err}
	}
	for _, e := range edit {
		e(r)
	}
	began := time.Now()
	resp, err := client.Do(r)
	if err != nil {
		return Reply{Err: err, Took: time.Since(began)}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return Reply{resp.StatusCode, resp.Header, string(text), err, time.Since(began)}
}

func (s *Site) Get(path string, edit ...func(*http.Request)) Reply {
	return s.Do(http.MethodGet, path, nil, edit...)
}

// Want checks a Reply.
func (s *Site) Want(r Reply, status int, body string) {
	s.T.Helper()
	if r.Err != nil || r.Status != status || body != "" && r.Body != body {
		s.T.Errorf("got %d %q, error %v; want %d %q", r.Status, r.Body, r.Err, status, body)
	}
}

// Parallel makes n requests at once.
func (s *Site) Parallel(n int, path string) []Reply {
	replies := make([]Reply, n)
	var all sync.WaitGroup
	for i := range replies {
		all.Go(func() { replies[i] = s.Get(path) })
	}
	all.Wait()
	return replies
}

// LogBuffer keeps what Caddy logs.
type LogBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *LogBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Entries returns the log lines with a message.
func (s *Site) Entries(message string) []map[string]any {
	var found []map[string]any
	for line := range strings.Lines(s.Log.String()) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == message {
			found = append(found, entry)
		}
	}
	return found
}

// AwaitEntry waits for a log line with a message that f accepts.
func (s *Site) AwaitEntry(message string, f func(map[string]any) bool) (found map[string]any) {
	s.T.Helper()
	s.Await("log line "+message, func() error {
		for _, found = range s.Entries(message) {
			if f(found) {
				return nil
			}
		}
		return errors.New("is missing")
	})
	return found
}

// ServerPID returns the process number of the server of a script.
func (s *Site) ServerPID(script string) int {
	s.T.Helper()
	for _, entry := range s.Entries("script is ready") {
		if entry["script"] == s.Path(script) {
			if pid, ok := entry["pid"].(float64); ok && Alive(int(pid)) {
				return int(pid)
			}
		}
	}
	s.T.Fatalf("no server of %s runs", script)
	return 0
}

// Alive reports whether a process runs; a zombie does not.
func Alive(pid int) bool {
	return leak.StatOf(strconv.Itoa(pid)).Running()
}

// AwaitGone waits until a process has ended.
func (s *Site) AwaitGone(pid int) {
	s.T.Helper()
	s.Await(fmt.Sprintf("process %d", pid), func() error {
		if Alive(pid) {
			return errors.New("runs")
		}
		return nil
	})
}

// Shell returns a shell script that writes a header and then does body.
func Shell(body string) string {
	return "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n" + body + "\n"
}

// Perl returns a warm script, with the library that Debian ships, that writes a
// header and then does body. Its fork point begins the fourth line.
func Perl(body string) string {
	return `#!/usr/bin/perl
use strict; use warnings; use POSIX (); use IO::File; use Proc::Prefork::Interp;

prefork_initialisation_complete(log_facility => '');
$| = 1; print "Content-Type: text/plain\n\n";
` + body + "\n"
}
