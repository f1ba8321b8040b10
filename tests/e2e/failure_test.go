package e2e

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// explicit returns a script that calls our library, in the language of an extension, with
// code before and after its fork point.
func explicit(extension, setup, body string) string {
	return strings.NewReplacer("@setup", setup, "@body", body).Replace(map[string]string{
		"pl": "#!/usr/bin/perl\nuse Proc::Prefork::Interp; use POSIX (); $| = 1;\n@setup\nprefork_initialisation_complete();\n@body\n",
		"py": "#!/usr/bin/python3\nimport os, sys, time\nfrom prefork_interp import prefork_initialisation_complete\n@setup\nprefork_initialisation_complete()\n@body\n",
		"rb": "#!/usr/bin/ruby\nrequire 'prefork_interp'\n$stdout.sync = true\n@setup\nPreforkInterp.prefork_initialisation_complete\n@body\n",
	}[extension])
}

// ok is a body that answers.
var ok = map[string]string{
	"pl": `print "Content-Type: text/plain\n\nok";`,
	"py": `print("Content-Type: text/plain\n\nok", end="")`,
	"rb": `print "Content-Type: text/plain\n\nok"`,
}

// metric returns the value of a metric, such as failures_total{cause="killed"}.
func metric(s *site.Site, name string) float64 {
	s.T.Helper()
	resp, err := http.Get("http://" + s.Admin + "/metrics")
	site.Must(s.T, err)
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), "caddy_prefork_cgi_"+name+" "); found {
			value, err := strconv.ParseFloat(text, 64)
			site.Must(s.T, err)
			return value
		}
	}
	s.T.Errorf("there is no metric %s", name)
	return 0
}

func failures(s *site.Site, cause string) float64 {
	s.T.Helper()
	return metric(s, `failures_total{cause="`+cause+`"}`)
}

// entriesOf returns the log lines with a message that are about a script.
func entriesOf(s *site.Site, message, script string) (found []map[string]any) {
	for _, entry := range s.Entries(message) {
		if entry["script"] == s.Path(script) {
			found = append(found, entry)
		}
	}
	return found
}

// awaitEntryOf waits for the one log line with a message about a script.
func awaitEntryOf(s *site.Site, message, script string) map[string]any {
	s.T.Helper()
	entry := s.AwaitEntry(message, func(e map[string]any) bool { return e["script"] == s.Path(script) })
	if n := len(entriesOf(s, message, script)); n != 1 {
		s.T.Errorf("%s: %d lines %q", script, n, message)
	}
	return entry
}

// A fault is what goes wrong in a script, and what follows.
type fault struct {
	setup, body map[string]string // by extension
	status      int               // 0: the connection breaks after the header
	cause       string            // empty: the request does not fail
	message     string            // the log line
	field, says string            // what that has
}

const (
	notStarted = "script cannot be started"
	hasEnded   = "script has ended"
)

var faults = map[string]fault{
	"setup-dies": {
		map[string]string{"pl": `die "no database\n";`, "py": `sys.exit("no database")`, "rb": `abort "no database"`},
		ok,
		502, "setup_failed", notStarted, "error", "no database",
	},
	"setup-is-killed": {
		map[string]string{"pl": `kill 9, $$;`, "py": `os.kill(os.getpid(), 9)`, "rb": `Process.kill(9, $$)`},
		ok,
		502, "setup_failed", notStarted, "error", "SIGKILL",
	},
	"setup-is-wordy-and-dies": {
		map[string]string{"pl": `print STDERR 'x' x 99, "\n" for 1..50_000; die "at last\n";`},
		ok,
		502, "setup_failed", notStarted, "error", "xxxx",
	},
	"setup-is-wordy": {
		map[string]string{"pl": `print STDERR 'x' x 8000, "\n" for 1..300;`, "py": `sys.stderr.write(("x" * 8000 + "\n") * 300)`},
		ok,
		200, "", "script is ready", "mode", "explicit",
	},
	// As a cold script it does the same, and has no header.
	"setup-ends-well": {
		map[string]string{"pl": `exit 0;`, "py": `sys.exit(0)`, "rb": `exit 0`},
		ok,
		502, "no_header", "script is ready", "note", "ended before its fork point",
	},
	"interpreter-is-missing": {
		map[string]string{"pl": ""}, map[string]string{"pl": "#"}, // see files
		502, "cannot_start", notStarted, "error", "/opt/none/perl",
	},
	"exits-before-header": {
		nil,
		map[string]string{"pl": `POSIX::_exit(3);`, "py": `os._exit(3)`, "rb": `exit! 3`},
		502, "no_header", hasEnded, "exit_status", "3",
	},
	"killed-before-header": {
		nil,
		map[string]string{"pl": `kill 9, $$;`, "py": `os.kill(os.getpid(), 9)`, "rb": `Process.kill(9, $$)`},
		502, "no_header", hasEnded, "exit_status", "SIGKILL",
	},
	"exits-within-header": {
		nil,
		map[string]string{"pl": `print "Content-Type: te"; POSIX::_exit(3);`, "py": `print("Content-Type: te", flush=True); os._exit(3)`, "rb": `print "Content-Type: te"; exit! 3`},
		502, "no_header", hasEnded, "exit_status", "3",
	},
	"killed-within-header": {
		nil,
		map[string]string{"pl": `print "Content-Type: te"; kill 15, $$; sleep 9;`, "py": `print("Content-Type: te", flush=True); os.kill(os.getpid(), 9)`},
		502, "no_header", hasEnded, "exit_status", "SIG",
	},
	"exits-after-header": {
		nil,
		map[string]string{"pl": ok["pl"] + `POSIX::_exit(3);`, "py": ok["py"] + `; sys.stdout.flush(); os._exit(3)`, "rb": ok["rb"] + `; exit! 3`},
		200, "", hasEnded, "exit_status", "3",
	},
	"killed-after-header": {
		nil,
		map[string]string{"pl": ok["pl"] + `kill 9, $$;`, "py": ok["py"] + `; sys.stdout.flush(); os.kill(os.getpid(), 9)`, "rb": ok["rb"] + `; Process.kill(9, $$)`},
		0, "killed", hasEnded, "error", "SIGKILL",
	},
}

// files are the scripts of a fault, one for each language that it is written in.
func (f fault) files(name string) map[string]string {
	files := map[string]string{}
	for extension := range f.setup {
		files[name+"."+extension] = explicit(extension, f.setup[extension], f.body[extension])
	}
	if f.setup == nil {
		for extension := range f.body {
			files[name+"."+extension] = explicit(extension, "", f.body[extension])
		}
	}
	if name == "interpreter-is-missing" {
		files[name+".pl"] = strings.Replace(files[name+".pl"], "/usr/bin", "/opt/none", 1)
	}
	return files
}

func TestEachFailureHasItsStatusItsLineAndItsMetric(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for name, f := range faults {
		maps.Copy(files, f.files(name))
	}
	s := site.Serve(t, "prefork_cgi", files)
	for name, f := range faults {
		for script := range f.files(name) {
			before := 0.0
			if f.cause != "" {
				before = failures(s, f.cause)
			}
			r := s.Get("/" + script)
			if broken := r.Status == 200 && r.Err != nil; broken != (f.status == 0) || !broken && r.Status != f.status {
				t.Errorf("%s: %d %q %v", script, r.Status, r.Body, r.Err)
			}
			if f.cause != "" && failures(s, f.cause) != before+1 {
				t.Errorf("%s is not counted as %s", script, f.cause)
			}
			entry := awaitEntryOf(s, f.message, script)
			if text := fmt.Sprint(entry[f.field]); !strings.Contains(text, f.says) || len(text) > 100_000 {
				t.Errorf("%s: %s is %.200q", script, f.field, text)
			}
			if f.message == notStarted { // and is not started again at once
				if r := s.Get("/" + script); r.Status != 503 || r.Header.Get("Retry-After") == "" {
					t.Errorf("%s: %d, Retry-After %q", script, r.Status, r.Header.Get("Retry-After"))
				}
			}
		}
	}
}

func TestSetupThatHangsIsKilled(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"hangs.pl": explicit("pl", "sleep 1000;", ok["pl"]),
		"hangs.py": explicit("py", "time.sleep(1000)", ok["py"]),
		"hangs.rb": explicit("rb", "sleep 1000", ok["rb"]),
	}
	s := site.Serve(t, "prefork_cgi {\n start_timeout 1s\n}", files)
	for script := range files {
		s.Want(s.Get("/"+script), 504, "")
		if entry := awaitEntryOf(s, notStarted, script); !strings.Contains(fmt.Sprint(entry["error"]), "start_timeout") {
			t.Errorf("%v", entry)
		}
	}
	if n := failures(s, "setup_timeout"); n != 3 {
		t.Errorf("%v are counted", n)
	}
}

func TestSetupThatForksIsWarnedOf(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"forks.pl": explicit("pl", `unless (fork) { open my $f, '>', "pl.left"; print $f $$; close $f; sleep 1000; exit }`, ok["pl"]),
		"forks.py": explicit("py", "if os.fork() == 0:\n    open('py.left', 'w').write(str(os.getpid()))\n    time.sleep(1000)\n    os._exit(0)", ok["py"]),
		"forks.rb": explicit("rb", "fork { File.write('rb.left', $$.to_s); sleep 1000 }", ok["rb"]),
	}
	s := site.Serve(t, "prefork_cgi", files)
	for _, extension := range []string{"pl", "py", "rb"} {
		s.Want(s.Get("/forks."+extension), 200, "ok")
		awaitEntryOf(s, "setup has left open what executors share", "forks."+extension)
		s.Await("the number of the process", func() error {
			text, err := os.ReadFile(s.Path(extension + ".left"))
			if pid, errNumber := strconv.Atoi(string(text)); errNumber == nil {
				return syscall.Kill(pid, syscall.SIGKILL)
			}
			return fmt.Errorf("%q: %w", text, err)
		})
	}
}
