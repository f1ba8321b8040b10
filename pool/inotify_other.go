//go:build !linux

package pool

import "errors"

// An inotify is what only Linux has: there every request compares signatures.
type inotify struct{}

func newInotify() (*inotify, error) { return nil, errors.ErrUnsupported }

func (*inotify) wait(func())            {}
func (*inotify) close()                 {}
func (*inotify) check(string) error     { return errors.ErrUnsupported }
func (*inotify) add(*spot) (int, error) { return 0, errors.ErrUnsupported }
func (*inotify) remove(int)             {}
func (*inotify) read(func(event))       {}
