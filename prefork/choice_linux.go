package prefork

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A choice is how a script is to be served.
type choice struct {
	mode Mode
	why  string
	cmd  Command // has the interpreter load the library
}

// choose decides from what can be known without running anything.
func (s *System) choose(cmd Command) (choice, error) {
	if cmd.Warm == WarmOff {
		return choice{Cold, "the configuration says so: warm off", cmd}, nil
	}
	var with Command
	call, err := findForkPoint(cmd.Script)
	if err != nil {
		return choice{}, &StartError{Script: cmd.Script, Err: err}
	}
	switch {
	case call != "" && cmd.Installed:
		return choice{Explicit, "it calls " + call + ", of a library that is installed", cmd}, nil
	case call != "":
		with, err = s.withLibrary(cmd, Explicit)
		if noLibrary, ok := errors.AsType[reason](err); ok {
			return choice{Explicit, fmt.Sprintf("it calls %s, of a library of its own: %v", call, noLibrary), cmd}, nil
		}
		return choice{Explicit, "it calls " + call, with}, err
	case cmd.Warm == WarmExplicit:
		return choice{Cold, "it does not call " + forkPointName + ", and the configuration says warm explicit", cmd}, nil
	}
	with, err = s.withLibrary(cmd, Automatic)
	if noLibrary, ok := errors.AsType[reason](err); ok {
		return choice{Cold, string(noLibrary), cmd}, nil
	}
	return choice{Automatic, "it does not call " + forkPointName + ", and its language has a library", with}, err
}

// withLibrary has the script's interpreter load our library. The error is a
// [reason] if there is none for it.
func (s *System) withLibrary(cmd Command, mode Mode) (Command, error) {
	l, words, err := cmd.language()
	if err != nil {
		return cmd, err
	}
	if s.library == nil {
		return cmd, reason("this launcher has no libraries")
	}
	folder, err := s.library()
	if err != nil {
		return cmd, fmt.Errorf("cannot start %s: %w", cmd.Script, err)
	}
	cmd.Interpreter = slices.Concat(words, l.arguments(folder, mode))
	for _, variable := range l.tunes {
		name, _, _ := strings.Cut(variable, "=")
		// What the administrator says of the same thing counts.
		if !slices.ContainsFunc(cmd.Env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") }) {
			cmd.tunes = append(cmd.tunes, variable)
		}
	}
	return cmd, nil
}

// judge applies the configured policy to what setup has left open. An automatic
// fork point never has threads or processes before it: the script may need them,
// and would have made them in each request.
func (c choice) judge(risks []Risk) error {
	if len(risks) == 0 {
		return nil
	}
	alive := func(r Risk) bool { return r.Kind == RiskThread || r.Kind == RiskProcess }
	switch {
	case c.cmd.ForkSafety == SafetyRefuse:
		return &UnsafeError{Script: c.cmd.Script, Risks: risks}
	case c.cmd.ForkSafety == SafetyCold, c.mode == Automatic && slices.ContainsFunc(risks, alive):
		return reason("setup has left open what executors would share: " + describe(risks))
	}
	return nil
}

// cold returns why a script is cold for now, because err came of warming it up;
// empty if it is not, or if err is the caller's to handle.
func (c choice) cold(ctx context.Context, err error) string {
	var (
		refusal reason
		setup   *SetupError
		start   *StartError
	)
	switch {
	case err == nil, errors.Is(ctx.Err(), context.Canceled):
		return ""
	case IsShortage(err): // of which nothing follows for the script
		return ""
	case errors.As(err, &refusal):
		return string(refusal)
	case c.mode == Automatic && !c.cmd.Replaces && (errors.As(err, &setup) || errors.As(err, &start)):
		return err.Error()
	}
	return ""
}
