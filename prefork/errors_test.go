package prefork

import (
	"errors"
	"io/fs"
	"testing"
)

func TestErrorsSayWhatFailedAndWhy(t *testing.T) {
	killed := Status{Known: true, Signal: 9}
	for want, err := range map[string]error{
		"cannot start /a: file does not exist":                           &StartError{Script: "/a", Err: fs.ErrNotExist},
		"cannot start /a: file does not exist (look at /b)":              &StartError{Script: "/a", Err: fs.ErrNotExist, Hint: "look at /b"},
		"cannot set up /a: exit status 2":                                &SetupError{Script: "/a", Status: Status{Known: true, Code: 2}},
		"cannot set up /a: exit status 2: no module\nat 4":               &SetupError{Script: "/a", Status: Status{Known: true, Code: 2}, Stderr: []byte("\n no module\nat 4\n")},
		"cannot set up /a: exit status 0":                                &SetupError{Script: "/a", Status: Status{Known: true}, Stderr: []byte(" \n")},
		"cannot set up /a: exit status unknown":                          &SetupError{Script: "/a", Status: Status{Lost: true}},
		"cannot set up /a: ended by " + killed.String():                  &SetupError{Script: "/a", Status: killed},
		"cannot set up /a: it exceeded the start_timeout: still waiting": &SetupError{Script: "/a", TimedOut: true, Status: killed, Stderr: []byte("still waiting")},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := error(&StartError{Err: fs.ErrPermission}); !errors.Is(err, fs.ErrPermission) {
		t.Error("a StartError hides its cause")
	}
}
