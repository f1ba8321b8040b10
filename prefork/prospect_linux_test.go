package prefork

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestForeseeSaysWhatLaunchWouldDo(t *testing.T) {
	folder := t.TempDir()
	s := NewSystem(func() (string, error) { return folder, nil })
	env := []string{"PATH=/usr/bin:/bin"}
	for text, want := range map[string]struct {
		mode              Mode
		why               string
		programs, missing string
	}{
		"#!/usr/bin/perl -w\nprint 1;\n":               {Automatic, "its language has a library", "/usr/bin/perl", ""},
		"#!/usr/bin/env perl\nprint 1;\n":              {Automatic, "its language has a library", "/usr/bin/env /usr/bin/perl", ""},
		"#!/usr/bin/perl\nprefork_accept();\n":         {Explicit, "it calls prefork_accept", "/usr/bin/perl", ""},
		"#!/bin/sh\necho\n":                            {Cold, "no library for programs of", "/bin/sh", ""},
		"#!/usr/bin/env no-such-program\n":             {Cold, "cannot find interpreter", "/usr/bin/env", `cannot find interpreter "no-such-program"`},
		"#!/usr/bin/env -S A=b perl\n":                 {Cold, "more than find a program", "/usr/bin/env", ""},
		"#!/bin/sh\r\necho\n":                          {Cold, "carriage return", "", "carriage return"},
		"\x7fELF":                                      {Cold, "no #! line", "", ""},
		"#!/usr/bin/prefork-interp -U,perl\nprint 1\n": {Automatic, "its language has a library", "/usr/bin/perl", ""},
	} {
		script := filepath.Join(folder, "script")
		if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		p, err := s.Foresee(Command{Script: script, Dir: folder, Env: env})
		missing := ""
		if p.Missing != nil {
			missing = p.Missing.Error()
		}
		if err != nil || p.Mode != want.mode || !strings.Contains(p.Why, want.why) ||
			!slices.Equal(p.Programs, strings.Fields(want.programs)) || !strings.Contains(missing, want.missing) || (missing == "") != (want.missing == "") {
			t.Errorf("%q: %+v, error %v; want %+v", text, p, err, want)
		}
	}
	if _, err := s.Foresee(Command{Script: filepath.Join(folder, "none")}); err == nil {
		t.Error("a script that is not there has a prospect")
	}
}
