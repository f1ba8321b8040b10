package prefork

import (
	"strings"
	"testing"
)

func TestCommandIsCheckedBeforeItIsStarted(t *testing.T) {
	for _, c := range []struct {
		cmd     Command
		wantErr string
	}{
		{Command{Script: "/a"}, ""},
		{Command{Script: "/a", Dir: "/", Interpreter: []string{"perl", ""}, Args: []string{""}, Env: []string{"A="}}, ""},
		{Command{}, `cannot start "": the script's path is not absolute`},
		{Command{Script: "a"}, `cannot start "a": the script's path is not absolute`},
		{Command{Script: "/a", Dir: "b"}, `cannot start /a: its directory "b" is not absolute`},
		{Command{Script: "/a", Interpreter: []string{""}}, "cannot start /a: the interpreter has no name"},
		{Command{Script: "/a", Env: []string{"A=\x00"}}, `environment "A=\x00" contains a NUL byte`},
		{Command{Script: "/a", Args: []string{"x", "\x00"}}, `argument "\x00" contains a NUL byte`},
	} {
		if err := c.cmd.check(); wrong(err, c.wantErr) {
			t.Errorf("%+v: error is %v, want %q", c.cmd, err, c.wantErr)
		}
	}
}

func TestScriptRunsInItsOwnFolderOrAnother(t *testing.T) {
	for want, cmd := range map[string]Command{
		"/srv":  {Script: "/srv/a"},
		"/else": {Script: "/srv/a", Dir: "/else"},
	} {
		if got := cmd.dir(); got != want {
			t.Errorf("%+v: directory is %s", cmd, got)
		}
	}
}

func TestArgumentsFollowTheScriptsName(t *testing.T) {
	// With room behind it, as a slice of a longer one has: two calls at once must
	// not write into each other's arguments.
	interpreter := append(make([]string, 0, 10), "/bin/perl", "-w")
	for want, cmd := range map[string]Command{
		"/srv/a: /srv/a x y":                 {Script: "/srv/a", Args: []string{"of setup"}},
		"/bin/perl: /bin/perl -w /srv/a x y": {Script: "/srv/a", Interpreter: interpreter},
	} {
		program, argv, err := cmd.argv([]string{"x", "y"})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := cmd.argv([]string{"z", "z"}); err != nil {
			t.Fatal(err)
		}
		if got := program + ": " + strings.Join(argv, " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	cmd := Command{Script: "/srv/a", Interpreter: []string{"none"}}
	if _, _, err := cmd.argv(nil); wrong(err, `cannot start /srv/a: cannot find interpreter "none" in PATH ""`) {
		t.Errorf("error is %v", err)
	}
}

func TestLastOfTwoVariablesWins(t *testing.T) {
	env := []string{"A=1", "AB=2", "A=3", "B=", "C"}
	for name, want := range map[string]string{"A": "3", "AB": "2", "B": ""} {
		if got, ok := lookup(env, name); got != want || !ok {
			t.Errorf("%s is %q, %v", name, got, ok)
		}
	}
	for _, name := range []string{"C", "D", "a"} {
		if got, ok := lookup(env, name); ok {
			t.Errorf("%s is %q", name, got)
		}
	}
}
