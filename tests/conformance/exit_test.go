package conformance

import (
	"testing"
)

// The reference reports a normal exit as death by SIGINT in half of the calls or
// more. We do in none.
func TestExitZeroIsZero(t *testing.T) {
	for _, d := range dialects {
		for _, w := range []way{explicit, automatic} {
			t.Run(d.name+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				s := d.prepare(t, w, "exit 0")
				if d.name == "python" {
					s = d.prepare(t, w, "import sys; sys.exit(0)")
				}
				calls := 1000
				switch {
				case testing.Short():
					calls = 100
				case d.name == "perl" && w == automatic:
					calls = 10_000
				}
				wrong := map[string]int{}
				for range calls {
					if got := s.call(callSpec{}); got.status != "0" {
						wrong[got.status]++
					}
				}
				if len(wrong) > 0 {
					t.Errorf("of %d calls: %v", calls, wrong)
				}
			})
		}
	}
}
