// Package bench measures whole requests, side by side in one run. Its figures are
// ratios; nothing here passes or fails by time.
//
//	go test -run '^$' -bench . -benchtime 50x ./tests/bench
package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

func TestMain(m *testing.M) { site.Main(m) }

// BenchmarkExamples asks for a page of each program of the example site through
// Caddy, and in turn runs the program by hand for the same page: cold-ms and
// warm-ms are per page, and cold/warm is their ratio.
func BenchmarkExamples(b *testing.B) {
	examples, err := filepath.Abs("../../examples/site")
	site.Must(b, err)
	s := site.Serve(b, "prefork_cgi {\n root "+examples+"\n}", nil)
	for _, program := range []struct{ name, path, info string }{
		{"mason", "mason.pl", "/"},
		{"form", "form.pl", ""},
		{"shell", "machine.cgi", ""},
	} {
		b.Run(program.name, func(b *testing.B) {
			url := "/" + program.path + program.info
			s.Want(s.Get(url), 200, "") // starts it
			s.Want(s.Get(url), 200, "")
			var warm, cold time.Duration
			for b.Loop() {
				r := s.Get(url)
				s.Want(r, 200, "")
				warm += r.Took
				cold += byHand(b, filepath.Join(examples, program.path), program.info)
			}
			n := float64(b.N)
			b.ReportMetric(float64(warm.Microseconds())/1000/n, "served-ms")
			b.ReportMetric(float64(cold.Microseconds())/1000/n, "by-hand-ms")
			b.ReportMetric(float64(cold)/float64(warm), "by-hand/served")
			b.ReportMetric(0, "ns/op") // of both together, which means nothing
		})
	}
}

// byHand runs a program as a CGI server would, and returns how long it takes.
func byHand(b *testing.B, script, pathInfo string) time.Duration {
	b.Helper()
	cmd := exec.Command(script)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "REQUEST_METHOD=GET", "QUERY_STRING=",
		"SCRIPT_NAME=/" + filepath.Base(script), "PATH_INFO=" + pathInfo, "SERVER_PROTOCOL=HTTP/1.1",
	}
	began := time.Now()
	if out, err := cmd.Output(); err != nil || len(out) == 0 {
		b.Fatalf("%s: %v", script, err)
	}
	return time.Since(began)
}
