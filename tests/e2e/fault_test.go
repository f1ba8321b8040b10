package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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

	"golang.org/x/sys/unix"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// raw sends a request as it is written and returns the response, which may come before all is sent: net/http's
// client would say then that it could not write.
func raw(t *testing.T, s *site.Site, text string, half bool) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	site.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	if _, err = io.WriteString(conn, text); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		site.Must(t, err)
	}
	if half {
		site.Must(t, conn.(*net.TCPConn).CloseWrite())
	}
	site.Must(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	site.Must(t, err)
	body, _ := io.ReadAll(r.Body)
	return r, string(body)
}

func TestFaultsOfTheClientAreNotTheScripts(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n timeout 1s\n}", map[string]string{
		"count.cgi": "#!/bin/sh\nn=$(wc -c)\nprintf 'Content-Type: text/plain\\n\\n%s' \"$n\"\n",
	})
	head := "POST /count.cgi HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	for name, c := range map[string]struct {
		body   string
		half   bool // the client sends no more
		status int
	}{
		"complete":              {"Content-Length: 3\r\n\r\nabc", false, 200},
		"no chunk":              {"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", false, 400},
		"chunk without its end": {"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n", false, 400},
		"half a chunk":          {"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", true, 400},
		"nothing more comes":    {"Content-Length: 100\r\n\r\nabc", false, 408},
	} {
		if r, body := raw(t, s, head+c.body, c.half); r.StatusCode != c.status {
			t.Errorf("%s: status %d, %q", name, r.StatusCode, body)
		}
	}
}

func TestReasonsOfFailuresAreInTheLog(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "handle_errors {\n respond {err.status_code}\n}\nprefork_cgi {\n timeout 1s\n}", map[string]string{
		"interpreter.cgi": "#!/no/such/interpreter\n",
		"returns.cgi":     "#!/bin/sh\r\necho\r\n",
		"noheader.cgi":    "#!/bin/sh\necho Hello\n",
		"nothing.cgi":     "#!/bin/sh\n",
		"silent.cgi":      "#!/bin/sh\nexec sleep 30\n",
		"stops.cgi":       site.Shell("echo part; exec sleep 30"),
		"dies.cgi":        site.Shell("echo part; kill -9 $$"),
	})
	for file, c := range map[string]struct{ message, reason string }{
		"interpreter.cgi": {"script cannot be called", "/no/such/interpreter"},
		"returns.cgi":     {"script cannot be called", "carriage return"},
		"noheader.cgi":    {"script has ended", "header"},
		"nothing.cgi":     {"script has ended", "header"},
		"silent.cgi":      {"script has ended", "first_byte_timeout of 1s"},
		"stops.cgi":       {"script has ended", "silence_timeout of 1s"},
		"dies.cgi":        {"script has ended", "killed"},
	} {
		s.Get("/" + file)
		entry := s.AwaitEntry(c.message, func(e map[string]any) bool { return e["script"] == s.Path(file) })
		if reason, _ := entry["error"].(string); !strings.Contains(reason, c.reason) || entry["level"] != "error" {
			t.Errorf("%s: %v", file, entry)
		}
	}
}

func TestEarlyErrorReachesAClientThatUploads(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{"fails.cgi": "#!/bin/sh\nexit 1\n"})
	for range 10 {
		r := s.Do(http.MethodPost, "/fails.cgi", strings.NewReader(strings.Repeat("x", 20<<20)))
		s.Want(r, 502, "")
	}
}

func TestInformationalResponseLeavesOtherFieldsAlone(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "header Link set-by-caddy\nprefork_cgi", map[string]string{
		"hints.cgi": "#!/bin/sh\nprintf 'Status: 103\\nLink: </a.css>\\n\\nContent-Type: text/plain\\n\\nok'\n",
	})
	if r := s.Get("/hints.cgi"); r.Header.Get("Link") != "set-by-caddy" {
		t.Errorf("%d %v", r.Status, r.Header)
	}
}

// What a script says on its standard error ends nobody but itself.
func TestLineAtTheLimitThatEndsInReturns(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"returns.cgi": "#!/usr/bin/perl\nprint qq{Content-Type: text/plain\\n\\nok}; print STDERR 'x' x 8191, qq{\\r\\r\\r\\n};",
	})
	s.Want(s.Get("/returns.cgi"), 200, "ok")
	s.AwaitEntry("script stderr", func(map[string]any) bool { return true })
}

func TestRunningOutOfDescriptorsCostsRequestsAndNothingElse(t *testing.T) {
	s := site.Serve(t, "prefork_cgi", map[string]string{"app.pl": site.Perl("print 'ok'"), "app.cgi": site.Shell("printf ok")})
	pid := s.Cmd.Process.Pid
	var old unix.Rlimit
	site.Must(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old))
	limit := func(n uint64) {
		site.Must(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: old.Max}, nil))
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	site.Must(t, err)
	for room := range uint64(20) {
		limit(uint64(len(open)) + room)
		s.Get("/app.pl") // which may fail, and may be refused by Caddy itself
		s.Get("/app.cgi")
	}
	limit(old.Cur)
	for _, script := range []string{"app.pl", "app.cgi"} {
		s.Await("service", func() error {
			if r := s.Get("/" + script); r.Status != 200 || r.Body != "ok" {
				return fmt.Errorf("%s: %d %q %w", script, r.Status, r.Body, r.Err)
			}
			return nil
		})
	}
}

func TestNoTemporaryFolderIsNoMissingScript(t *testing.T) {
	s := site.Prepare(t, "prefork_cgi", map[string]string{"app.pl": site.Perl("print 'ok'"), "count.cgi": site.Shell("wc -c")})
	t.Setenv("TMPDIR", filepath.Join(s.State, "none"))
	s.Start()
	s.Want(s.Get("/app.pl"), 502, "")
	s.Want(s.Do(http.MethodPost, "/count.cgi", io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)))), 502, "")
}

func TestExecutorThatLeavesItsGroupIsEndedToo(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 1\n timeout 1s\n grace_period 1s\n}", map[string]string{
		"app.pl": site.Perl("POSIX::setsid(); print \"$$\\n\"; sleep 1000;"),
	})
	r := s.Get("/app.pl")
	pid, err := strconv.Atoi(strings.TrimSpace(r.Body))
	site.Must(t, err)
	s.AwaitGone(pid)
}

func TestWhatSetupLeftBehindCostsNoPlace(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 1\n timeout 1s\n grace_period 1s\n queue 5 10s\n}", map[string]string{
		"app.pl": strings.Replace(site.Perl("if ($ENV{QUERY_STRING}) { $SIG{INT} = 'IGNORE'; sleep 30 } print 'ok'"),
			"prefork_init", "system('sleep 1000 >/dev/null 2>&1 & echo $! >left'); prefork_init", 1),
	})
	defer func() {
		left, _ := os.ReadFile(s.Path("left"))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(left))); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	if r := s.Get("/app.pl?hang"); r.Status == 200 && r.Err == nil {
		t.Errorf("%d %q", r.Status, r.Body)
	}
	s.Want(s.Get("/app.pl"), 200, "ok")
}

func TestCallOfAKilledServerEndsWithCaddy(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"app.pl": site.Perl("$SIG{INT} = $SIG{TERM} = 'IGNORE'; print \"$$\\n\"; sleep 10 while 1;"),
	})
	conn, err := net.Dial("tcp", s.Addr)
	site.Must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET /app.pl HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	site.Must(t, err)
	line, err := bufio.NewReader(r.Body).ReadString('\n')
	site.Must(t, err)
	executor, err := strconv.Atoi(strings.TrimSpace(line))
	site.Must(t, err)
	defer syscall.Kill(executor, syscall.SIGKILL)
	server, err := strconv.Atoi(leak.StatOf(strconv.Itoa(executor)).Session)
	site.Must(t, err)
	site.Must(t, syscall.Kill(server, syscall.SIGKILL))
	s.AwaitEntry("server has ended", func(map[string]any) bool { return true })
	site.Must(t, s.Cmd.Process.Kill())
	<-s.Exited
	s.AwaitGone(executor)
}

func TestScriptWhoseTimeLiesInTheFuture(t *testing.T) {
	t.Parallel()
	// The library takes it for changed at each call, and ends; each server serves once.
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 8\n queue 100 60s\n}", map[string]string{"app.pl": site.Perl("print 'ok';")})
	future := time.Now().Add(time.Hour)
	site.Must(t, os.Chtimes(s.Path("app.pl"), future, future))
	for _, r := range s.Parallel(30, "/app.pl") {
		s.Want(r, 200, "ok")
	}
}

func TestClientsThatBreakOffAnywhere(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 4\n queue 20 2s\n timeout 3s\n grace_period 1s\n}", map[string]string{
		"cat.pl":   site.Perl("print while <STDIN>;"),
		"slow.pl":  site.Perl("select undef, undef, undef, 0.1; print 'x' x 300_000; select undef, undef, undef, 0.1; print 'end'"),
		"dies.pl":  site.Perl("print 'x'; kill 9, $$;"),
		"cat.cgi":  site.Shell("cat"),
		"none.cgi": "#!/bin/sh\nexit 3\n",
		"far.cgi":  "#!/bin/sh\nprintf 'Location: /cat.pl\\n\\n'\n",
	})
	paths := []string{"cat.pl", "slow.pl", "dies.pl", "cat.cgi", "none.cgi", "far.cgi"}
	var all sync.WaitGroup
	for client := range uint64(8) {
		random := rand.New(rand.NewPCG(client, 0))
		all.Go(func() {
			for range 25 {
				head := "/" + paths[random.IntN(len(paths))] + " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
				text := []string{
					"GET " + head + "\r\n",
					"POST " + head + "Content-Length: 200000\r\n\r\n" + strings.Repeat("x", random.IntN(200_001)),
					"POST " + head + "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
					"POST " + head + "Content-Length: 5\r\n\r\nhelloGET " + head + "\r\n",
				}[random.IntN(4)]
				conn, err := net.Dial("tcp", s.Addr)
				if err != nil {
					t.Error(err)
					return
				}
				conn.SetDeadline(time.Now().Add(time.Duration(random.IntN(200)) * time.Millisecond))
				io.WriteString(conn, text)
				io.Copy(io.Discard, conn)
				if random.IntN(3) == 0 {
					conn.(*net.TCPConn).SetLinger(0) // so that it is reset
				}
				conn.Close()
			}
		})
	}
	all.Wait()
	for _, path := range []string{"/cat.pl", "/slow.pl", "/cat.cgi"} { // all places are free again
		for _, r := range s.Parallel(4, path) {
			s.Want(r, 200, "")
		}
	}
}

func TestSilentScriptThatClosedItsInputIsToBlame(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n timeout 1s\n}", map[string]string{
		"deaf.cgi": "#!/bin/sh\nexec <&-\nexec sleep 30 </dev/null\n",
	})
	// More than the pipe holds, and then no more.
	text := "POST /deaf.cgi HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 200_000)
	if r, _ := raw(t, s, text, false); r.StatusCode != 504 {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestClientThatLeavesIsNoError(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"many.cgi": site.Shell("exec yes"),
		"take.cgi": site.Shell("exec cat >/dev/null"),
	})
	const clients = 20
	for i := range clients {
		conn, err := net.Dial("tcp", s.Addr)
		site.Must(t, err)
		if i%2 == 0 {
			fmt.Fprint(conn, "GET /many.cgi HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		} else {
			fmt.Fprint(conn, "POST /take.cgi HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nx")
		}
		_, err = conn.Read(make([]byte, 1000)) // so the script runs
		site.Must(t, err)
		site.Must(t, conn.Close())
	}
	s.Await("the end of all", func() error {
		if n := len(s.Entries("script has ended")); n < clients {
			return fmt.Errorf("%d have ended", n)
		}
		return nil
	})
	for _, entry := range s.Entries("script has ended") {
		if entry["level"] == "error" {
			t.Errorf("%v", entry)
		}
	}
}
