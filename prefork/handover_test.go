package prefork

import (
	"strings"
	"testing"
	"time"
)

func TestHandoverIsTwoWords(t *testing.T) {
	h := handover{start: time.Unix(1795242621, 9386987), listen: 5, call: 9, watchi: 7, watche: 8}
	const want = "v1,1795242621.009386987 5,9,7,8"
	if got := h.String(); got != want {
		t.Errorf("handover is %q, want %q", got, want)
	}
	if got, err := parseHandover(want); err != nil || got != h {
		t.Errorf("read back as %+v, %v", got, err)
	}
}

func TestHandoverReaderIgnoresExtensions(t *testing.T) {
	want := handover{start: time.Unix(1, 0), listen: 3, call: 4, watchi: 5, watche: 6}
	for _, value := range []string{
		"v1,1.000000000 3,4,5,6",
		"v1,1.000000000 3,4,5,6,7,native",
		"v1,1.000000000,more 3,4,5,6",
		"v1,1.000000000 3,4,5,6 word  another",
		"v1,1.000000000 3,4,5,6 ",
		"v1,1.000000000 3,4,5,6 extend=a",
	} {
		if got, err := parseHandover(value); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", value, got, err)
		}
	}
}

func TestBadHandoverIsRefused(t *testing.T) {
	for value, want := range map[string]string{
		"":                        "handover has fewer than two words",
		"v1,1.000000000":          "handover has fewer than two words",
		"v2,1.000000000 3,4,5,6":  `handover "v2,1.000000000" is not version v1 with a time`,
		"v1 3,4,5,6":              `handover "v1" is not version v1 with a time`,
		" v1,1.000000000 3,4,5,6": `handover "" is not version v1`,
		"v1,1 3,4,5,6":            `handover time "1" has not nine digits`,
		"v1,1.00000000 3,4,5,6":   `handover time "1.00000000" has not nine digits`,
		"v1,1.0000000000 3,4,5,6": "has not nine digits",
		"v1,-1.000000000 3,4,5,6": "handover time: ",
		"v1,.000000000 3,4,5,6":   "handover time: ",
		"v1,1.+00000000 3,4,5,6":  "handover time: ",
		"v1,9999999999999999999.000000000 3,4,5,6": "value out of range",
		"v1,1.000000000 3,4,5":                     "handover names 3 descriptors, not 4",
		"v1,1.000000000  3,4,5,6":                  "handover names 1 descriptors, not 4",
		"v1,1.000000000 3,,5,6":                    "handover descriptor 1: ",
		"v1,1.000000000 3,4,5,-6":                  "handover descriptor 3: ",
		"v1,1.000000000 +3,4,5,6":                  "handover descriptor 0: ",
		"v1,1.000000000 0x3,4,5,6":                 "handover descriptor 0: ",
		"v1,1.000000000 3,4,2147483648,6":          "handover descriptor 2: ",
	} {
		if got, err := parseHandover(value); err == nil || !strings.Contains(err.Error(), want) || got != (handover{}) {
			t.Errorf("%q: got %+v, %v; want %s", value, got, err, want)
		}
	}
}

// FuzzHandover looks for a value that does not survive: read, written, read.
func FuzzHandover(f *testing.F) {
	for _, seed := range []string{
		"v1,1795242621.579386987 5,9,7,8", "v1,1.000000000,more 3,4,5,6,7 word", "v1,0.999999999 0,0,0,2147483647",
		"v1,9223372036854775807.000000000 03,4,5,6", "v1,-1.000000000 3,4,5,6", "v2,1.000000000 3,4,5,6", "v1 3",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		h, err := parseHandover(value)
		if err != nil {
			return
		}
		if again, err := parseHandover(h.String()); err != nil || again != h {
			t.Errorf("%q is %+v, which is written as %q, which is %+v, %v", value, h, h, again, err)
		}
		if min(h.listen, h.call, h.watchi, h.watche) < 0 {
			t.Errorf("%q has a negative descriptor: %+v", value, h)
		}
	})
}
