package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// post asks the admin endpoint to do something, and returns its answer.
func post(s *site.Site, method, path string) (status int, body string) {
	s.T.Helper()
	r, err := http.NewRequest(method, "http://"+s.Admin+"/prefork_cgi/pools"+path, nil)
	site.Must(s.T, err)
	resp, err := http.DefaultClient.Do(r)
	site.Must(s.T, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	site.Must(s.T, err)
	return resp.StatusCode, string(text)
}

// poolOf returns the name of the one pool.
func poolOf(s *site.Site) string {
	s.T.Helper()
	var pools []struct{ Pool string }
	_, text := post(s, http.MethodGet, "")
	if err := json.Unmarshal([]byte(text), &pools); err != nil || len(pools) != 1 {
		s.T.Fatalf("%v: %s", err, text)
	}
	return pools[0].Pool
}

func TestCrashLoopsBackOff(t *testing.T) {
	t.Parallel()
	for extension, dies := range map[string]string{
		"pl":  explicit("pl", "", "kill 11, $$; sleep 9;"),
		"py":  explicit("py", "", "os.kill(os.getpid(), 11); time.sleep(9)"),
		"rb":  explicit("rb", "", "Process.kill(9, $$); sleep 9"),
		"cgi": "#!/bin/sh\nkill -11 $$\nsleep 9\n",
	} {
		t.Run(extension, func(t *testing.T) {
			script := "app." + extension
			s := site.Serve(t, "prefork_cgi", map[string]string{script: dies})
			for range 4 {
				s.Want(s.Get("/"+script), 502, "")
			}
			// The pool hears of it when the executor has been reaped.
			s.AwaitEntry("script keeps crashing", func(e map[string]any) bool { return e["script"] == s.Path(script) })
			if r := s.Get("/" + script); r.Status != 503 || r.Header.Get("Retry-After") == "" {
				t.Errorf("%d, Retry-After %q", r.Status, r.Header.Get("Retry-After"))
			}
			awaitEntryOf(s, "script keeps crashing", script)
			if metric(s, "crash_loops_total") != 1 || metric(s, `pools{state="backing_off"}`) != 1 || failures(s, "backing_off") != 1 {
				t.Error("it is not counted")
			}
			s.Write(script, site.Shell("printf mended"))
			s.Want(s.Get("/"+script), 200, "mended")
			if metric(s, `pools{state="backing_off"}`) != 0 {
				t.Error("it still backs off")
			}
		})
	}
}

func TestServersThatDieAreACrashLoop(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"app.pl": "#!/usr/bin/perl\nuse Proc::Prefork::Interp; my $server = $$;\nprefork_initialisation_complete();\nkill 9, $server;\n",
	})
	s.Await("refusal", func() error {
		r := s.Get("/app.pl")
		if r.Status == 503 {
			return nil
		}
		return fmt.Errorf("%d %q", r.Status, r.Body)
	})
	awaitEntryOf(s, "script keeps crashing", "app.pl")
	if n := len(s.Entries("script is ready")); n > 5 {
		t.Errorf("%d setups", n)
	}
}

func TestRetryByHand(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"app.pl": explicit("pl", `-e "database" or die "no database\n";`, ok["pl"]),
	})
	s.Want(s.Get("/app.pl"), 502, "")
	site.Must(t, os.WriteFile(s.Path("database"), nil, 0o644))
	s.Want(s.Get("/app.pl"), 503, "")
	pool := poolOf(s)
	if status, text := post(s, http.MethodPost, "/"+pool+"/recycle"); status != http.StatusConflict {
		t.Errorf("recycle: %d %s", status, text)
	}
	if status, text := post(s, http.MethodPost, "/"+pool+"/retry"); status != http.StatusNoContent {
		t.Errorf("retry: %d %s", status, text)
	}
	s.Want(s.Get("/app.pl"), 200, "ok")
	for path, c := range map[string]struct {
		method string
		status int
	}{
		"/" + pool + "/retry":   {http.MethodGet, 405},
		"/" + pool + "/destroy": {http.MethodPost, 404},
		"/0123/retry":           {http.MethodPost, 404},
		"/0123/recycle":         {http.MethodPost, 404},
	} {
		if status, text := post(s, c.method, path); status != c.status || !strings.Contains(text, `"error"`) {
			t.Errorf("%s %s: %d %s", c.method, path, status, text)
		}
	}
}

func TestRecycleByHand(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{"app.pl": explicit("pl", "my $server = $$;", `print "Content-Type: text/plain\n\n$server";
if ($ENV{QUERY_STRING}) { print "\n"; <STDIN>; print "end" }`)})
	first := s.Get("/app.pl").Body
	// One that runs goes on.
	conn, err := net.Dial("tcp", s.Addr)
	site.Must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "POST /app.pl?wait HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	site.Must(t, err)
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	if line, err := body.ReadString('\n'); line != first+"\n" {
		t.Fatalf("%q %v", line, err)
	}
	if status, text := post(s, http.MethodPost, "/"+poolOf(s)+"/recycle"); status != http.StatusNoContent {
		t.Errorf("recycle: %d %s", status, text)
	}
	s.Await("another server", func() error {
		if r := s.Get("/app.pl"); r.Status != 200 || r.Body == first {
			return fmt.Errorf("%d %q", r.Status, r.Body)
		}
		return nil
	})
	fmt.Fprint(conn, "x")
	if rest, err := io.ReadAll(body); string(rest) != "end" {
		t.Errorf("%q %v", rest, err)
	}
	s.AwaitEntry("server has ended", func(e map[string]any) bool { return e["reason"] == "asked" && fmt.Sprint(e["pid"]) == first })
	s.Await("the count", func() error {
		if n := metric(s, `recycles_total{reason="asked"}`); n != 1 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
}

func TestMetricsLiveThroughReloads(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{"app.pl": explicit("pl", "", ok["pl"]), "none.cgi": "#!/bin/sh\nexit 3\n"})
	for range 3 {
		s.Want(s.Get("/app.pl"), 200, "ok")
	}
	for round := range 3 {
		s.Want(s.Get("/none.cgi"), 502, "")
		s.Await("the counts", func() error {
			got := fmt.Sprint(metric(s, `calls_total{outcome="ok"}`), metric(s, "call_seconds_count"), metric(s, `setups_total{outcome="warm"}`),
				metric(s, `servers{state="ready"}`), metric(s, `executors{state="running"}`), failures(s, "no_header"))
			if want := fmt.Sprint(3, 4+round, 1, 1, 0, 1+round); got != want {
				return fmt.Errorf("%s, not %s", got, want)
			}
			return nil
		})
		site.Must(t, s.Reload("--force"))
	}
}

func TestScriptThatIsTakenAway(t *testing.T) {
	t.Parallel()
	waits := explicit("pl", "", `print "Content-Type: text/plain\n\nbegin\n"; <STDIN>; print "end";`)
	for name, remove := range map[string]func(s *site.Site) error{
		"file":   func(s *site.Site) error { return os.Remove(s.Path("in/app.pl")) },
		"folder": func(s *site.Site) error { return os.RemoveAll(s.Path("in")) },
	} {
		t.Run(name, func(t *testing.T) {
			s := site.Serve(t, "prefork_cgi {\n script @SITE@/in/app.pl\n}", map[string]string{"in/app.pl": waits})
			conn, err := net.Dial("tcp", s.Addr)
			site.Must(t, err)
			defer conn.Close()
			fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			site.Must(t, err)
			defer resp.Body.Close()
			body := bufio.NewReader(resp.Body)
			_, err = body.ReadString('\n')
			site.Must(t, err)
			site.Must(t, remove(s))
			s.Want(s.Get("/"), 404, "")
			if n := failures(s, "not_found"); n != 1 {
				t.Errorf("%v are counted", n)
			}
			fmt.Fprint(conn, "x")
			if rest, err := io.ReadAll(body); string(rest) != "end" {
				t.Errorf("%q %v", rest, err)
			}
			s.Write("in/app.pl", explicit("pl", "", ok["pl"]))
			s.Want(s.Get("/"), 200, "ok")
		})
	}
}

func TestScriptThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	s := prepareAs(t, 64_126, "prefork_cgi", map[string]string{"app.pl": explicit("pl", "", ok["pl"])})
	site.Must(t, os.Chmod(s.Path("app.pl"), 0o700)) // root's
	s.Start()
	s.Want(s.Get("/app.pl"), 403, "")
	if n := failures(s, "forbidden"); n != 1 {
		t.Errorf("%v are counted", n)
	}
	site.Must(t, os.Chmod(s.Path("app.pl"), 0o755))
	s.Want(s.Get("/app.pl"), 200, "ok")
}
