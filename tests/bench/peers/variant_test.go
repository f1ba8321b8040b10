package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestVariantsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range variants("/work", regexp.MustCompile("")) {
		if seen[v.name()] {
			t.Errorf("%s is there twice", v.name())
		}
		seen[v.name()] = true
		text := v.fill(v.site + strings.Join(v.backend, " "))
		if strings.Contains(text, "@") {
			t.Errorf("%s: a word is not filled in: %s", v.name(), text)
		}
	}
	if only := variants("/work", regexp.MustCompile("^hello/cold$|uWSGI")); len(only) != 2 {
		t.Errorf("chosen by name and by title: %v", only)
	}
}

func TestScriptsOfAllFormsAreWellFormed(t *testing.T) {
	folder := t.TempDir()
	for _, v := range variants(folder, regexp.MustCompile("")) {
		if v.page.script == "" || filepath.IsAbs(v.page.script) {
			continue // nothing to write, or a package's
		}
		if err := v.page.plant(v.folder(), v.form, v.interpreter); err != nil {
			t.Errorf("%s: %v", v.name(), err)
			continue
		}
		text, err := os.ReadFile(v.file())
		if err != nil || strings.Contains(string(text), "@FOLDER@") || v.form != plain && strings.Contains(string(text), marker) {
			t.Errorf("%s: %v, script is\n%s", v.name(), err, text)
		}
		if filepath.Ext(v.file()) == ".py" {
			compile := exec.Command("/usr/bin/python3", "-c", "import sys; compile(sys.stdin.read(), 'script', 'exec')")
			compile.Stdin = strings.NewReader(string(text))
			if out, err := compile.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", v.name(), err, out)
			}
		}
	}
}

func TestPlainScriptAnswersByHand(t *testing.T) {
	folder := t.TempDir()
	for _, v := range variants(folder, regexp.MustCompile("^(hello|mason|python)/unchanged$")) {
		if err := v.page.plant(v.folder(), v.form, v.interpreter); err != nil {
			t.Fatal(err)
		}
		if _, err := byHand(t.Context(), v, v.file(), nil); err != nil {
			t.Errorf("%s: %v", v.name(), err)
		}
	}
}

func TestFormsDivideTheScript(t *testing.T) {
	const script = "use A;\n#warm warm();\n#### Once above.\nfirst();\nsecond();\n"
	for f, want := range map[form]string{
		plain:                             script,
		"@ONCE@fork();\n@EACH@":           "use A;\nwarm();\nfork();\nfirst();\nsecond();\n",
		"@ONCE@while (more()) {\n@EACH@}": "use A;\nwarm();\nwhile (more()) {\n    first();\n    second();\n}",
	} {
		if got, err := f.write(script); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", f, got, err, want)
		}
	}
	if _, err := perlLibrary.write("no line"); err == nil {
		t.Error("a script without two parts is divided")
	}
}
