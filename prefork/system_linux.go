package prefork

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// System launches real processes. One System is enough for a program: all its
// processes share one [guard]. Make it with [NewSystem].
type System struct {
	guard   guard
	bell    bell
	library func() (folder string, err error)
}

// NewSystem returns a launcher. It holds nothing while it has launched nothing.
//
// library returns the folder of the script libraries, as lib.Folder does; it is
// called when a script that needs one is launched, until it has succeeded. Nil: there are none,
// and only what calls a library by itself can be warm.
func NewSystem(library func() (folder string, err error)) *System {
	s := &System{guard: guard{sessions: map[int]int{}}}
	if library != nil {
		var folder string
		find := untilDone(func() (err error) { folder, err = library(); return err })
		s.library = func() (string, error) { err := find(); return folder, err }
	}
	return s
}

// Check reports whether this system has what System needs; if not, the error
// wraps [ErrUnsupported].
func Check() error {
	p, err := newPeer(os.Getpid(), unix.PIDFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	p.close()
	return nil
}

// Launch implements [Launcher]. What cannot be warm is cold, and not started yet.
//
// A failed start is a *[SetupError], a *[StartError] or an *[UnsafeError]. With an
// automatic fork point only the last, unless the process is to replace another: when
// warming up fails the script is cold, and says by itself what is wrong with it.
func (s *System) Launch(ctx context.Context, cmd Command, listener Listener) (Process, error) {
	cmd, chosen, note, err := s.prepare(cmd)
	if err != nil {
		return nil, err
	}
	about := Info{Mode: chosen.mode, Why: chosen.why, Note: note}
	if chosen.mode == Cold && cmd.Replaces && isEmpty(cmd.Script) {
		return nil, &StartError{Script: cmd.Script, Err: unix.ENOEXEC, Hint: "the file is empty: is it being written?"}
	}
	if chosen.mode == Cold {
		return newCold(cmd, about, &s.guard), nil
	}
	p, err := s.warm(ctx, chosen, listener, about)
	if refusal := chosen.cold(ctx, err); refusal != "" {
		about.Why, about.Fallback = refusal, true
		about.Note = strings.TrimPrefix(note+"; cannot be warm: "+refusal, "; ")
		return newCold(cmd, about, &s.guard), nil
	}
	return p, err
}

// prepare returns how a command is to be served, with what its #! line says, and what an
// administrator should know of that.
func (s *System) prepare(cmd Command) (_ Command, chosen choice, note string, err error) {
	if err = cmd.check(); err != nil {
		return cmd, choice{}, "", err
	}
	if cmd, note, err = unwrap(cmd); err != nil {
		return cmd, choice{}, "", err
	}
	chosen, err = s.choose(cmd)
	return cmd, chosen, note, err
}

// Foresee says how Launch would begin with a command, and runs nothing. What comes of a
// setup only Launch can tell. The error is that of Launch.
func (s *System) Foresee(cmd Command) (Prospect, error) {
	cmd, chosen, note, err := s.prepare(cmd)
	if err != nil {
		return Prospect{}, err
	}
	p := Prospect{Mode: chosen.mode, Why: chosen.why, Note: note}
	p.Words, p.Programs, p.Missing = cmd.programs()
	return p, nil
}

// isEmpty reports whether a file has nothing in it.
func isEmpty(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Size() == 0
}

// warm sets a script up.
func (s *System) warm(ctx context.Context, c choice, listener Listener, about Info) (Process, error) {
	s.guard.hold() // for setup
	defer s.guard.release()
	p, err := setup(ctx, c.cmd, c.mode, listener, &s.guard, &s.bell)
	if err != nil {
		return nil, err
	}
	info := p.info()
	info.Mode, info.Why, info.Note = about.Mode, about.Why, about.Note
	if err = c.judge(info.Risks); err != nil {
		p.Kill()
		<-p.Exited()
		return nil, err
	}
	return p, nil
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
