package prefork

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLanguages(t *testing.T) {
	bin := t.TempDir()
	program := func(name, text string) string {
		path := filepath.Join(bin, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, target := range map[string]string{
		"perl5.36.0": "/usr/bin/perl", "perl5.36-x86_64-linux-gnu": "/usr/bin/perl",
		"python3.11": "/usr/bin/python3", "ruby3.1": "/usr/bin/ruby",
		"python2.7": "/bin/true", "superl": "/usr/bin/perl", "perl-site": "/bin/true",
	} {
		text, err := os.ReadFile(target)
		if err != nil {
			t.Skipf("an interpreter is missing: %v", err)
		}
		program(name, string(text))
	}
	program("perl", "#!/bin/sh\nexec perl5.36.0 \"$@\"\n")
	if err := os.Symlink("python3.11", bin+"/python3"); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		bin + "/perl5.36.0":                 "perl",
		bin + "/perl5.36.0 -wT":             "perl",
		bin + "/perl5.36-x86_64-linux-gnu":  "perl",
		bin + "/perl5.36.0 -n":              `cold: its interpreter has the argument "-n"`,
		bin + "/perl5.36.0 other":           `cold: its interpreter has the argument "other"`,
		bin + "/perl5.36.0 --":              `cold: its interpreter has the argument "--"`,
		bin + "/perl":                       "cold: " + bin + "/perl is not the interpreter but a script around it",
		bin + "/python3":                    "python",
		bin + "/perl-site":                  "cold: " + bin + "/perl-site is not the interpreter but a program around it",
		bin + "/python3 -m":                 `cold: its interpreter has the argument "-m"`,
		bin + "/python2.7":                  "cold: there is no library for programs of python2.7",
		bin + "/ruby3.1 -w":                 "ruby",
		bin + "/superl":                     "cold: there is no library for programs of superl",
		bin + "/missing":                    "cold: ",
		"/usr/bin/env python3":              "python",
		"/usr/bin/env perl5.36.0":           "perl",
		"/usr/bin/env -S perl5.36.0 -w":     "perl",
		"/usr/bin/env -i perl5.36.0":        "cold: its #! line has env do more",
		"/usr/bin/env -S A=b perl5.36.0":    "cold: its #! line has env do more",
		"/usr/bin/env":                      "cold: its #! line has env do more",
		"/usr/bin/env -S perl5.36.0 -e 'x'": "cold: its #! line has env do more",
		"":                                  "cold: it has no #! line",
	} {
		text := "#!" + line + "\n"
		if line == "" {
			text = "x"
		}
		cmd := Command{Script: program("script", text), Env: []string{"PATH=" + bin}}
		l, words, err := cmd.language()
		got := ""
		switch why := reason(""); {
		case err == nil:
			got = l.name
			if !slices.Contains(words, strings.Fields(line)[0]) {
				t.Errorf("%s: words are %q", line, words)
			}
		case errors.As(err, &why):
			got = "cold: " + string(why)
		default:
			t.Errorf("%s: %v", line, err)
		}
		if got != want && (!strings.HasPrefix(want, "cold: ") || !strings.HasPrefix(got, want)) {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
}

func TestOptionsWithValues(t *testing.T) {
	python := &languages[1]
	for args, want := range map[string]bool{
		"-X utf8 -W ignore": true,
		"-Xutf8 -u":         true,
		"-u utf8":           false,
		"-c print()":        false,
	} {
		if err := python.check(strings.Fields(args)); (err == nil) != want {
			t.Errorf("%s: %v", args, err)
		}
	}
}
