package pool

import (
	"errors"
	"fmt"
	"time"
)

// ErrQueueFull says that as many requests wait already as may.
var ErrQueueFull = errors.New("the queue is full")

// ErrQueueTimeout says that no executor was free within the time that a request
// may wait.
var ErrQueueTimeout = errors.New("no executor was free in time")

// ErrBudget says that no process could be had within the time that a request may
// wait, since all pools together have as many as they may; see [Budget].
var ErrBudget = errors.New("the budget of processes and memory is used up")

// An OverloadError says that a request cannot be served now, because of others.
type OverloadError struct {
	RetryIn time.Duration // after this it could have been, as it goes now
	Err     error         // ErrQueueFull, ErrQueueTimeout or ErrBudget
}

func (e *OverloadError) Error() string { return e.Err.Error() }

func (e *OverloadError) Unwrap() error { return e.Err }

// ErrClosed says that the registry is closing for good.
var ErrClosed = errors.New("the server is shutting down")

// ErrUnknown says that there is no pool with an ident.
var ErrUnknown = errors.New("there is no such pool")

// ErrNotServing says that a pool has no server that could be replaced.
var ErrNotServing = errors.New("no server is ready")

// A BackoffError says that setup has failed, or that the script crashes again and again,
// and is not started again yet.
type BackoffError struct {
	RetryIn time.Duration // after this it will be
	Err     error         // why it failed
}

func (e *BackoffError) Error() string {
	return fmt.Sprintf("the script has failed, as the log says, and is not started again for %v", e.RetryIn.Round(time.Millisecond))
}

func (e *BackoffError) Unwrap() error { return e.Err }
