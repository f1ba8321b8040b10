package prefork

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// untilDone returns a function that calls f until it has succeeded once: what
// fails for want of a descriptor must not fail for ever.
func untilDone(f func() error) func() error {
	var mu sync.Mutex
	done := false
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return nil
		}
		err := f()
		done = err == nil
		return err
	}
}

// null is /dev/null, opened once for all scripts that get no input. It is never
// closed: its number may be with a fork at any moment.
var null *os.File

var openNull = untilDone(func() error {
	fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", os.DevNull, err)
	}
	null = os.NewFile(uintptr(fd), os.DevNull)
	return nil
})

// orNull returns the descriptor of f, which its owner keeps open; that of /dev/null
// for nil.
func orNull(f *os.File) (int, error) {
	if f == nil {
		if err := openNull(); err != nil {
			return -1, err
		}
		f = null
	}
	return rawFD(f)
}

// start executes the script with spawn, by its interpreter if one is configured
// and else by itself.
func (c Command) start(args []string, spawn func(program string, argv []string) (*child, error)) (*child, error) {
	program, argv, err := c.argv(args)
	if err != nil {
		return nil, err
	}
	process, err := spawn(program, argv)
	if errors.Is(err, syscall.ETXTBSY) {
		// Somebody still has the script open for writing: an editor that has not
		// closed it, or a child of one. The kernel refuses to execute it, but not
		// to execute its interpreter, which is what it would do with a script.
		if s, errRead := ReadShebang(program); errRead == nil && s.Program != "" {
			process, err = spawn(s.Program, slices.Concat(s.command(), argv))
		}
	}
	if err != nil {
		return nil, startError(c, program, err)
	}
	return process, nil
}

// startError explains why execve refused: it says only "no such file" for a
// missing script, a missing interpreter and a missing folder alike.
func startError(cmd Command, program string, err error) error {
	e := &StartError{Script: cmd.Script, Err: err}
	switch {
	case errors.Is(err, syscall.ENOENT):
		e.Hint = whatIsMissing(cmd, program)
	case errors.Is(err, syscall.ENOEXEC):
		e.Hint = "it has neither a #! line nor the form of a program"
	case errors.Is(err, syscall.EACCES):
		e.Hint = "the script, its interpreter or its folder may not be used by this user"
	case errors.Is(err, syscall.E2BIG):
		e.Hint = "the request's environment is larger than the system allows a program that is started for it: " +
			"128 KiB for a variable or an argument, and a quarter of the stack limit, 2 MiB by default, for all"
	}
	return e
}

func whatIsMissing(cmd Command, program string) string {
	if _, err := os.Stat(cmd.dir()); err != nil {
		return fmt.Sprintf("its directory %s does not exist", cmd.dir())
	}
	if _, err := os.Stat(program); err != nil {
		return program + " does not exist"
	}
	s, err := ReadShebang(program)
	if err != nil || s.Program == "" {
		return ""
	}
	if s.Program[len(s.Program)-1] == '\r' || len(s.Arg) > 0 && s.Arg[len(s.Arg)-1] == '\r' {
		return "its #! line ends in a carriage return; save it with Unix line ends"
	}
	return fmt.Sprintf("the interpreter %s of its #! line does not exist", s.Program)
}
