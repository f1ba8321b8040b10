package prefork

import "testing"

func TestStatusSaysHowItEnded(t *testing.T) {
	for _, c := range []struct {
		status  Status
		crashed bool
		text    string
	}{
		{Status{}, false, "unknown"},
		{Status{Lost: true}, true, "unknown"},
		{Status{Known: true}, false, "0"},
		{Status{Known: true, Code: 255}, false, "255"},
		{Status{Known: true, Signal: 9}, true, signalName(9)},
		{Status{Known: true, Signal: 126}, true, "signal 126"}, // has no name
	} {
		if got := c.status.Crashed(); got != c.crashed {
			t.Errorf("%+v: crashed is %v", c.status, got)
		}
		if got := c.status.String(); got != c.text {
			t.Errorf("%+v: text is %s, want %s", c.status, got, c.text)
		}
	}
	if Cold.Warm() || !Explicit.Warm() {
		t.Error("modes are mixed up")
	}
}
