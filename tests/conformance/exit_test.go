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
				s := d.prepare(t, w, map[string]string{"perl": "exit 0", "python": "import sys; sys.exit(0)", "ruby": "exit 0"}[d.name])
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
