//go:build !linux

package prefork

import (
	"context"
	"os"
	"strconv"
	"syscall"
)

// System is a launcher that can launch nothing: see [ErrUnsupported].
type System struct{}

// NewSystem returns it.
func NewSystem(func() (string, error)) *System { return &System{} }

// Check returns [ErrUnsupported].
func Check() error { return ErrUnsupported }

// Launch implements [Launcher].
func (*System) Launch(context.Context, Command, Listener) (Process, error) {
	return nil, ErrUnsupported
}

// Foresee returns [ErrUnsupported].
func (*System) Foresee(Command) (Prospect, error) { return Prospect{}, ErrUnsupported }

// NewPipe returns [ErrUnsupported].
func NewPipe() (ours, theirs *os.File, err error) { return nil, nil, ErrUnsupported }

// NewInputPipe returns [ErrUnsupported].
func NewInputPipe() (ours, theirs *os.File, err error) { return nil, nil, ErrUnsupported }

// ReadReady returns [ErrUnsupported].
func ReadReady(*os.File, []byte) (int, error) { return 0, ErrUnsupported }

// StopSignal returns [ErrUnsupported].
func StopSignal(string) (syscall.Signal, error) { return 0, ErrUnsupported }

// An Unread is nothing here.
type Unread struct{}

func signalName(n int) string { return "signal " + strconv.Itoa(n) }
