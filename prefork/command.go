package prefork

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A Command says how to start a script. It is what setup sees, so two commands
// that differ in anything are two different warm processes.
type Command struct {
	// Interpreter is the program that runs the script, and its arguments before
	// the script's name. A first word without a slash is searched in the PATH of
	// Env. Empty: the script's #! line decides; see [Shebang].
	Interpreter []string

	// Script is the absolute path of the script.
	Script string

	// Args follow the script's name.
	Args []string

	// Dir is the working directory, absolute. Empty: the script's own folder.
	Dir string

	// Env is the whole environment of setup, as NAME=value.
	Env []string

	// Frozen has the script's library not look for changed files by itself. A v1
	// library compares the times of $0 and of all modules with that of its start,
	// and quits when one is later; so it is told that it starts in the far future.
	Frozen bool
}

// check says what is wrong with a command before a process is spent on it.
func (c Command) check() error {
	if !filepath.IsAbs(c.Script) {
		return fmt.Errorf("cannot start %q: the script's path is not absolute", c.Script)
	}
	if c.Dir != "" && !filepath.IsAbs(c.Dir) {
		return fmt.Errorf("cannot start %s: its directory %q is not absolute", c.Script, c.Dir)
	}
	if len(c.Interpreter) > 0 && c.Interpreter[0] == "" {
		return fmt.Errorf("cannot start %s: the interpreter has no name", c.Script)
	}
	return errors.Join(checkStrings("environment", c.Env), checkStrings("argument", c.Args))
}

// dir returns the working directory.
func (c Command) dir() string {
	if c.Dir != "" {
		return c.Dir
	}
	return filepath.Dir(c.Script)
}

// argv returns the program to execute and its argument vector. argv[0] of a
// script that is executed by itself is its path, so $0 is the path too.
func (c Command) argv(args []string) (string, []string, error) {
	if len(c.Interpreter) == 0 {
		return c.Script, append([]string{c.Script}, args...), nil
	}
	program, err := lookPath(c.Interpreter[0], c.Env)
	if err != nil {
		return "", nil, fmt.Errorf("cannot start %s: %w", c.Script, err)
	}
	argv := append([]string{}, c.Interpreter...)
	argv = append(argv, c.Script)
	return program, append(argv, args...), nil
}

// checkStrings refuses what the wire and execve cannot carry.
func checkStrings(what string, list []string) error {
	for _, s := range list {
		if strings.IndexByte(s, 0) >= 0 {
			return fmt.Errorf("%s %q contains a NUL byte", what, s)
		}
	}
	return nil
}

// lookup returns the value of a variable in a NAME=value list; the last wins, as
// it does for execve and getenv in the programs that matter.
func lookup(env []string, name string) (string, bool) {
	for _, entry := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value, true
		}
	}
	return "", false
}
