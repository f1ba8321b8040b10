package prefork

import (
	"strings"
	"testing"
)

// FuzzLoaded looks for a report of loaded files of which a name gets lost, is made
// up or is cut.
func FuzzLoaded(f *testing.F) {
	for _, seed := range []string{"", "/a\x00", "/a\x00/b c\n\x00", "\x00\x00", "/a\x00/b", "relative\x00\xff\x00"} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, missing bool) {
		var loaded, missed []string
		listener := Listener{
			Loaded: func(paths []string) { loaded = append(loaded, paths...) },
			Missed: func(paths []string) { missed = append(missed, paths...) },
		}
		kind, told, other := typeLoaded, &loaded, &missed
		if missing {
			kind, told, other = typeMissed, &missed, &loaded
		}
		err := hear(listener, kind, payload)
		whole := len(payload) == 0 || payload[len(payload)-1] == 0
		if (err == nil) != whole {
			t.Errorf("%q: error is %v", payload, err)
		}
		var again strings.Builder
		for _, path := range *told {
			again.WriteString(path + "\x00")
		}
		if err == nil && again.String() != string(payload) || err != nil && len(*told) > 0 || len(*other) > 0 {
			t.Errorf("%q is told as %q, and %q of the other kind", payload, *told, *other)
		}
	})
}
