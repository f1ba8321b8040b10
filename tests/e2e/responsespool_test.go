package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// spoolFiles returns how many files without a name Caddy has.
func spoolFiles(s *site.Site) (n int) {
	s.T.Helper()
	folder := fmt.Sprintf("/proc/%d/fd", s.Cmd.Process.Pid)
	files, err := os.ReadDir(folder)
	site.Must(s.T, err)
	for _, file := range files {
		target, _ := os.Readlink(folder + "/" + file.Name())
		if strings.HasPrefix(target, os.TempDir()+"/#") || strings.Contains(target, "/prefork-cgi-body-") {
			n++
		}
	}
	return n
}

// Who reads slowly does not keep others waiting, as far as the spool goes.
func TestSpooledResponseDoesNotHoldItsExecutor(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 1\n queue 0\n response_spool 64MiB\n}", writers)
	for script := range writers {
		before := memory(s, "VmHWM")
		slow := open(t, s, "/"+script+"?text/plain")
		finished(s, script)
		awaitSpools(s, 1)
		var second *http.Response
		s.Await("a second response", func() error { // the first executor has only just ended
			if second = open(t, s, "/"+script+"?text/plain"); second.StatusCode != http.StatusOK {
				return fmt.Errorf("%d", second.StatusCode)
			}
			return nil
		})
		for _, response := range []*http.Response{second, slow} {
			if n, err := io.Copy(io.Discard, response.Body); err != nil || n != large {
				t.Errorf("%s: %d bytes, %v", script, n, err)
			}
		}
		if grown := memory(s, "VmHWM") - before; grown > mostBuffered {
			t.Errorf("%s: Caddy has grown by %d bytes", script, grown)
		}
		awaitSpools(s, 0)
	}
}

// awaitSpools waits until there are so many spools.
func awaitSpools(s *site.Site, want int) {
	s.T.Helper()
	s.Await("spools", func() error {
		if n := spoolFiles(s); n != want {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
}

func TestFullSpoolAndStreamsWaitForTheClient(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 1\n queue 0\n response_spool 1MiB\n}", writers)
	for script := range writers {
		for _, media := range []string{"text/plain", "text/event-stream"} {
			slow := open(t, s, "/"+script+"?"+media)
			at := standstill(s, script)
			if at >= large {
				t.Errorf("%s, %s: all of %d bytes are written", script, media, at)
			}
			awaitSpools(s, map[string]int{"text/plain": 1}[media])
			s.Want(s.Get("/"+script+"?"+media), 503, "")
			if n, err := io.Copy(io.Discard, slow.Body); err != nil || n != large {
				t.Errorf("%s, %s: %d bytes, %v", script, media, n, err)
			}
			again(s, "/"+script+"?"+media)
		}
	}
}

func TestSpooledResponseOfAScriptThatWasKilledBreaksOffAtItsEnd(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n response_spool 64MiB\n}", writers)
	for script := range writers {
		response := open(t, s, "/"+script+"?text/plain;killed")
		finished(s, script)
		if n, err := io.Copy(io.Discard, response.Body); !errors.Is(err, io.ErrUnexpectedEOF) || n != large {
			t.Errorf("%s: %d bytes, %v", script, n, err)
		}
	}
}

func TestScriptEndsWithTheClientOfItsFullSpool(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 1\n queue 0\n response_spool 1MiB\n}", writers)
	for script := range writers {
		response := open(t, s, "/"+script+"?text/plain")
		standstill(s, script)
		response.Body.Close()
		again(s, "/"+script+"?text/plain")
		awaitSpools(s, 0)
	}
}

func TestResponseThatCannotBeSpooledWaitsForItsClient(t *testing.T) {
	s := site.Prepare(t, "prefork_cgi {\n response_spool 64MiB\n}", writers)
	t.Setenv("TMPDIR", s.State+"/missing")
	s.Start()
	response := open(t, s, "/cold.cgi?text/plain")
	if at := standstill(s, "cold.cgi"); at >= large {
		t.Errorf("all of %d bytes are written", at)
	}
	if n, err := io.Copy(io.Discard, response.Body); err != nil || n != large {
		t.Errorf("%d bytes, %v", n, err)
	}
	s.AwaitEntry("response cannot be spooled", func(e map[string]any) bool {
		reason, _ := e["error"].(string)
		return e["level"] == "warn" && e["script"] == s.Path("cold.cgi") && strings.Contains(reason, "no such file")
	})
}

func TestGrandchildThatHoldsStdoutDoesNotHoldASpooledResponse(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n response_spool 1MiB\n}", map[string]string{
		"cold.cgi": site.Shell("sleep 1000 & printf $!"),
		"warm.py": "#!/usr/bin/python3\nimport os, subprocess\nprint('Content-Type: text/plain\\n')\n" +
			"print(subprocess.Popen(['sleep', '1000']).pid, flush=True)\n",
	})
	for _, path := range []string{"/cold.cgi", "/warm.py"} {
		r := s.Get(path)
		s.Want(r, 200, "")
		var pid int
		if _, err := fmt.Sscan(r.Body, &pid); err != nil || !site.Alive(pid) {
			t.Fatalf("%s: %q", path, r.Body) // nobody is left, or the response has waited for it
		}
		site.Must(t, syscall.Kill(pid, syscall.SIGKILL))
	}
}
