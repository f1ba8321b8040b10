package prefork

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestShebangIsSplitAsTheKernelDoes(t *testing.T) {
	for line, want := range map[string]Shebang{
		"":                                       {},
		"#":                                      {},
		" #!/bin/sh\n":                           {},
		"\xef\xbb\xbf#!/bin/sh\n":                {},
		"\x7fELF\x02\x01":                        {},
		"#!\n":                                   {},
		"#!/bin/sh":                              {Program: "/bin/sh"},
		"#!/bin/sh\nexit\n":                      {Program: "/bin/sh"},
		"#! \t/bin/sh \t\n":                      {Program: "/bin/sh"},
		"#!/usr/bin/perl -w\n":                   {Program: "/usr/bin/perl", Arg: "-w"},
		"#!/usr/bin/env \t-S a  b\t c\n":         {Program: "/usr/bin/env", Arg: "-S a  b\t c"},
		"#!/bin/sh\r\n":                          {Program: "/bin/sh\r"},
		"#!/bin/sh -e\r\n":                       {Program: "/bin/sh", Arg: "-e\r"},
		"#!/usr/bin/prefork-interp.pl -U perl\n": {Program: "/usr/bin/prefork-interp.pl", Arg: "-U perl"},
		"#!/usr/bin/env prefork-interp -U,perl\n": {Program: "/usr/bin/env", Arg: "prefork-interp -U,perl"},
	} {
		if got, err := parseShebang(line); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v; want %+v", line, got, err, want)
		}
	}
}

func TestShebangPassesItsArgumentWhole(t *testing.T) {
	for line, want := range map[string][]string{
		"#!/bin/sh\n":               {"/bin/sh"},
		"#!/usr/bin/env -S perl -w": {"/usr/bin/env", "-S perl -w"},
	} {
		s, err := parseShebang(line)
		if got := s.command(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v", line, got, err)
		}
	}
}

func TestWrapperMeansTheInterpreterBehindIt(t *testing.T) {
	const program = "/usr/bin/prefork-interp"
	for arg, want := range map[string]struct{ interpreter, ignored string }{
		"-U,perl":                      {"perl", ""},
		"-U,perl,-w,-T":                {"perl|-w|-T", ""},
		"-U perl -w":                   {"perl|-w", ""},
		"-U\t/usr/bin/perl  -w -U":     {"/usr/bin/perl|-w|-U", ""},
		"perl":                         {"perl", ""},
		"-E HOME -U perl":              {"perl", "-E HOME"},
		"-E,HOME,-G,x,-g,y,-U,python3": {"python3", "-E HOME|-G x|-g y"},
		"-EHOME -Gx -gy -f -U perl":    {"perl", "-EHOME|-Gx|-gy|-f"},
		"-E -U perl":                   {"perl", "-E -U"},
		"-U perl a,b":                  {"perl|a,b", ""},
	} {
		s, err := parseShebang("#!" + program + " " + arg + "\n")
		if err != nil || !s.Wrapper || s.Program != program {
			t.Errorf("%q: got %+v, %v", arg, s, err)
		}
		if got := strings.Join(s.Interpreter, "|"); got != want.interpreter {
			t.Errorf("%q: interpreter is %s, want %s", arg, got, want.interpreter)
		}
		if got := strings.Join(s.Ignored, "|"); got != want.ignored {
			t.Errorf("%q: ignored are %s, want %s", arg, got, want.ignored)
		}
	}
}

func TestWrapperThatCannotBeUnderstoodIsAnError(t *testing.T) {
	for arg, want := range map[string]string{
		"":            "prefork-interp names no interpreter",
		"-U":          "prefork-interp names no interpreter",
		"-f,-U":       "prefork-interp names no interpreter",
		",":           "prefork-interp names no interpreter",
		"-E":          "option -E of prefork-interp has no value",
		"-U,-G":       "option -G of prefork-interp has no value",
		"-U -g":       "option -g of prefork-interp has no value",
		"--kill perl": `option "--kill" of prefork-interp is not known`,
		"-x,perl":     `option "-x" of prefork-interp is not known`,
		"- perl":      `option "-" of prefork-interp is not known`,
		"-U,perl -w":  `option "-U,perl" of prefork-interp is not known`,
	} {
		s, err := parseShebang("#!/usr/bin/prefork-interp " + arg)
		if err == nil || err.Error() != want || !s.Wrapper {
			t.Errorf("%q: got %+v, %v; want %s", arg, s, err, want)
		}
	}
}

func TestShebangIsReadFromTheFile(t *testing.T) {
	folder := t.TempDir()
	for text, want := range map[string]struct{ program, wantErr string }{
		"":                                    {"", ""},
		"#!/bin/sh":                           {"/bin/sh", ""},
		"#!/bin/sh\n#!/bin/no\n":              {"/bin/sh", ""},
		"#!/usr/bin/prefork-interp -U,perl\n": {"/usr/bin/prefork-interp", ""},
		"#!/usr/bin/prefork-interp\n":         {"/usr/bin/prefork-interp", "names no interpreter"},
		"#!" + strings.Repeat("x", 2*shebangLimit): {strings.Repeat("x", shebangLimit-2), ""},
	} {
		file := filepath.Join(folder, "app")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := ReadShebang(file)
		if s.Program != want.program || wrong(err, want.wantErr) {
			t.Errorf("%.50q: got %.50q, %v", text, s.Program, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "cannot use the #! line of "+file+": ") {
			t.Errorf("%q: error is %v", text, err)
		}
	}
	if _, err := ReadShebang(filepath.Join(folder, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := ReadShebang(folder); err == nil || !strings.HasPrefix(err.Error(), "cannot read "+folder+": ") {
		t.Errorf("a folder: %v", err)
	}
}

// FuzzShebang looks for a line of which an unusable command is made.
func FuzzShebang(f *testing.F) {
	for _, seed := range []string{
		"#!/bin/sh\n", "#! /usr/bin/perl \t-w -T \r\n", "#!/usr/bin/prefork-interp -U,perl,-w\n", "#!/usr/bin/prefork-interp -E HOME -Gx -U perl -w",
		"#!prefork-interp -U,,", "#!/usr/bin/prefork-interp -", "#!/usr/bin/prefork-interp \u00a0", "#!", "\x7fELF",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		s, err := parseShebang(line)
		if strings.ContainsAny(s.Program, " \t\n") || strings.ContainsAny(s.Arg, "\n") || s.Program == "" && s.Arg != "" {
			t.Errorf("%q: got %+v", line, s)
		}
		if !s.Wrapper && (err != nil || s.Interpreter != nil || s.Ignored != nil) {
			t.Errorf("%q: got %+v, %v", line, s, err)
		}
		if s.Wrapper && err == nil && (len(s.Interpreter) == 0 || s.Interpreter[0] == "" || s.Interpreter[0][0] == '-') {
			t.Errorf("%q: got %+v", line, s)
		}
	})
}
