package prefork

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
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

	// Warm says how the fork point is found.
	Warm Warm

	// Preload are modules that a library of ours loads in setup, beside what the
	// script itself loads. Each is a word of letters, digits and `_ : . / -`.
	Preload []string

	// Installed has an explicit script use the library that it finds by itself
	// instead of ours.
	Installed bool

	// Reuse has a script that knows nothing of a library run again in the same process,
	// if an executor is made for more than one request.
	Reuse bool

	// ForkSafety is what happens when setup has left something open that
	// executors would share.
	ForkSafety ForkSafety

	// bell is where executors ask for more time; see [bell].
	bell string

	// tunes are variables that only the interpreter sees, and not the script.
	tunes []string

	// Frozen has the script's library not look for changed files by itself. A v1
	// library compares the times of $0 and of all modules with that of its start,
	// and quits when one is later; so it is told that it starts in the far future.
	Frozen bool

	// Replaces says that a warm process of older sources serves meanwhile, and stays
	// if this setup fails. Otherwise an automatic script whose setup fails is cold.
	Replaces bool
}

// Warm is a choice of fork points.
type Warm string

const (
	// WarmAuto is explicit if the script names the library's call, automatic if
	// its language is known, and cold otherwise. It is what an empty Warm means.
	WarmAuto Warm = "auto"
	// WarmExplicit is explicit or cold.
	WarmExplicit Warm = "explicit"
	// WarmOff is cold.
	WarmOff Warm = "off"
)

// ForkSafety is a policy for the [Risk]s that are found in a server.
type ForkSafety string

const (
	// SafetyWarn serves the script, and tells. It is what an empty ForkSafety means.
	SafetyWarn ForkSafety = "warn"
	// SafetyCold serves the script cold.
	SafetyCold ForkSafety = "cold"
	// SafetyRefuse does not serve it.
	SafetyRefuse ForkSafety = "refuse"
)

// moduleName is what Preload can hold.
var moduleName = regexp.MustCompile(`^[A-Za-z0-9_:./-]+$`)

// IsModuleName reports whether name can be preloaded.
func IsModuleName(name string) bool { return moduleName.MatchString(name) }

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
	for _, name := range c.Preload {
		if !IsModuleName(name) {
			return fmt.Errorf("cannot start %s: %q is not the name of a module", c.Script, name)
		}
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
