package programs

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// modes are asked in turn: what one leaves behind, such as a cache, is there for the
// other.
var modes = []string{"cold", "warm"}

// TestPrograms asks each program each thing four times. With -v, and without -short, it
// logs a table of times, which takes two minutes more.
func TestPrograms(t *testing.T) {
	var table bytes.Buffer
	measure := testing.Verbose() && !testing.Short()
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "program\tcold, ms\twarm, ms\tcold/warm\tfiles loaded by setup\tby setup and requests\t\n")
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			s := p.serve(t)
			setUp := p.warmUp(s)
			for _, r := range p.requests {
				p.check(s, r)
			}
			end, err := warmPool(s)
			site.Must(t, err)
			if len(end.Risks) > 0 {
				t.Errorf("setup has left open %v", end.Risks)
			}
			if !measure || t.Failed() {
				return
			}
			t.Logf("warm-up has loaded %s", strings.Join(setUp.Loaded, " "))
			cold, warm := medians(s, p.requests[0])
			fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%d\t%d\t\n", p.name, milliseconds(cold), milliseconds(warm),
				float64(cold)/float64(warm), len(setUp.Loaded), len(end.Loaded))
		})
	}
	w.Flush()
	if measure {
		t.Logf("medians of %d requests each:\n%s", samples, &table)
	}
}

// check makes a request twice in each mode, and compares all answers.
func (p program) check(s *site.Site, r request) {
	s.T.Helper()
	what := r.url
	if r.post != "" {
		what = "POST " + r.post
	}
	first := ""
	for i, mode := range slices.Concat(modes, modes) {
		reply := r.ask(s, mode)
		if reply.Err != nil || reply.Status != max(r.status, 200) || !strings.Contains(reply.Body, r.want) {
			s.T.Errorf("%s, %s: %d, error %v, without %q: %.2000q", what, mode, reply.Status, reply.Err, r.want, reply.Body)
			return
		}
		want := map[string]string{"cold": "cold", "warm": "automatic"}[mode]
		if got := reply.Header.Get("Prefork-Mode"); got != want {
			s.T.Errorf("%s: mode is %q, want %q", what, got, want)
		}
		text := p.masked(reply)
		if i == 0 {
			first = text
		}
		if text != first {
			s.T.Errorf("%s: answer %d, %s, differs:\n%s", what, i+1, mode, difference(first, text))
		}
	}
}

// difference returns where two texts begin to differ.
func difference(a, b string) string {
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	from := max(at-100, 0)
	return fmt.Sprintf("%q\n%q", a[from:min(at+200, len(a))], b[from:min(at+200, len(b))])
}

// samples is of how many requests the table has the medians.
const samples = 50

// medians measures a request both ways. They take turns, so that whatever else the
// machine does is in both.
func medians(s *site.Site, r request) (cold, warm time.Duration) {
	took := map[string][]time.Duration{}
	for range samples {
		for _, mode := range modes {
			took[mode] = append(took[mode], r.ask(s, mode).Took)
		}
	}
	for _, mode := range modes {
		slices.Sort(took[mode])
	}
	return took["cold"][samples/2], took["warm"][samples/2]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// TestMercurialClones has Mercurial's own client clone from the warm program.
func TestMercurialClones(t *testing.T) {
	s := hgweb().serve(t)
	cmd := exec.Command("/usr/bin/hg", "clone", "http://"+s.Addr+"/program", s.Path("clone"))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + s.Folder, "HGRCPATH=", "no_proxy=127.0.0.1"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	run(t, s, "hg", "verify", "-R", "clone")
	run(t, s, "diff", "repo/hello.txt", "clone/hello.txt")
	if mode := (request{}).ask(s, "warm").Header.Get("Prefork-Mode"); mode != "automatic" {
		t.Errorf("mode is %q", mode)
	}
}

// BenchmarkPrograms measures the first request of each program, cold and warm.
func BenchmarkPrograms(b *testing.B) {
	for _, p := range programs() {
		b.Run(p.name, func(b *testing.B) {
			s := p.serve(b)
			for _, mode := range modes {
				s.Want(p.requests[0].ask(s, mode), max(p.requests[0].status, 200), "") // starts it
				b.Run(mode, func(b *testing.B) {
					for b.Loop() {
						s.Want(p.requests[0].ask(s, mode), max(p.requests[0].status, 200), "")
					}
				})
			}
		})
	}
}
