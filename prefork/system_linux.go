package prefork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// System launches real processes. One System is enough for a program: all its
// processes share one [guard]. Make it with [NewSystem].
type System struct{ guard guard }

// NewSystem returns a launcher. It holds nothing while it has launched nothing.
func NewSystem() *System {
	return &System{guard: guard{sessions: map[int]int{}}}
}

// Check reports whether this system has what System needs; if not, the error
// wraps [ErrUnsupported].
func Check() error {
	p, err := newPeer(os.Getpid())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	p.close()
	return nil
}

// Launch implements [Launcher]. A script that names the library's call is
// started warm under protocol v1; any other is cold, and not started yet.
//
// A failed start is a *[SetupError] or a *[StartError].
func (s *System) Launch(ctx context.Context, cmd Command, output func(line string)) (Process, error) {
	if err := cmd.check(); err != nil {
		return nil, err
	}
	cmd, note, err := unwrap(cmd)
	if err != nil {
		return nil, err
	}
	explicit, err := hasForkPoint(cmd.Script)
	if err != nil {
		return nil, &StartError{Script: cmd.Script, Err: err}
	}
	if !explicit {
		return newCold(cmd, note, &s.guard), nil
	}
	s.guard.hold() // for setup
	defer s.guard.release()
	server, err := setup(ctx, cmd, output, &s.guard)
	if errors.Is(err, errNoForkPoint) {
		note = strings.TrimPrefix(note+"; "+err.Error(), "; ")
		return newCold(cmd, note, &s.guard), nil
	}
	if err != nil {
		return nil, err
	}
	server.note = note
	return server, nil
}

// unwrap replaces a #! line that names prefork-interp by what that would run.
func unwrap(cmd Command) (Command, string, error) {
	if len(cmd.Interpreter) > 0 {
		return cmd, "", nil
	}
	shebang, err := ReadShebang(cmd.Script)
	if err != nil {
		return cmd, "", &StartError{Script: cmd.Script, Err: err}
	}
	if !shebang.Wrapper {
		return cmd, "", nil
	}
	cmd.Interpreter = shebang.Interpreter
	if len(shebang.Ignored) == 0 {
		return cmd, "", nil
	}
	return cmd, fmt.Sprintf("options of the #! line without effect here: %s; the identity subdirective is their equivalent",
		strings.Join(shebang.Ignored, ", ")), nil
}
