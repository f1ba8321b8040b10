package caddymod

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/prefork-cgi/prefork-cgi/cgi"
	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

func TestStatusOfEveryError(t *testing.T) {
	setup, seen := &prefork.SetupError{Script: "a"}, map[cause]bool{}
	for _, c := range []struct {
		err    error
		status int
		retry  string
	}{
		{&cgi.BadPathError{Reason: "NUL"}, 400, ""},
		{&cgi.BadHostError{Host: "a b"}, 400, ""},
		{cgi.ErrMethod, 405, ""},
		{&cgi.ForbiddenError{File: "a"}, 403, ""},
		{&cgi.BodyError{Err: errors.New("bad chunk")}, 400, ""},
		{cgi.ErrNotFound, 404, ""},
		{&cgi.BodyError{Err: &limitError{limit: "body_timeout", client: true}}, 408, ""},
		{&cgi.BodyError{Err: os.ErrDeadlineExceeded}, 408, ""},
		{cgi.ErrBodyTooLarge, 413, ""},
		{&cgi.BodyError{Err: &http.MaxBytesError{Limit: 1}}, 413, ""},
		{&cgi.BodyError{Err: context.Canceled}, 499, ""},
		{&http.MaxBytesError{Limit: 1}, 413, ""},
		{caddyhttp.Error(413, errors.New("request_body's")), 413, ""},
		{&prefork.StartError{Script: "a", Err: syscall.E2BIG}, 431, ""},
		{context.Canceled, 499, ""},
		{setup, 502, ""},
		{&prefork.StartError{Script: "a", Err: syscall.ENOENT}, 502, ""},
		{&prefork.StartError{Script: "a", Err: syscall.EACCES}, 502, ""},
		{cgi.ErrNoHeader, 502, ""},
		{&cgi.HeaderError{Reason: "bad"}, 502, ""},
		{fmt.Errorf("no such folder: %w", fs.ErrNotExist), 502, ""},
		{errors.New("anything else"), 502, ""},
		{caddyhttp.HandlerError{StatusCode: 429, Err: &pool.OverloadError{RetryIn: 2500 * time.Millisecond, Err: pool.ErrQueueFull}}, 429, "3"},
		{&prefork.UnsafeError{Script: "a"}, 502, ""},
		{fmt.Errorf("%w: SIGSEGV", errCrashed), 502, ""},
		{&prefork.StartError{Script: "a", Err: syscall.EAGAIN}, 503, "1"},
		{&prefork.ForkError{Said: "no more processes"}, 503, "1"},
		{fmt.Errorf("cannot make a pipe: %w", syscall.EMFILE), 503, "1"},
		{&fs.PathError{Op: "write", Path: "a", Err: syscall.ENOSPC}, 503, "1"},
		{&pool.BackoffError{RetryIn: time.Second, Err: syscall.EMFILE}, 503, "1"},
		{&pool.OverloadError{RetryIn: time.Second, Err: pool.ErrQueueTimeout}, 503, "1"},
		{&pool.OverloadError{RetryIn: time.Second, Err: pool.ErrBudget}, 503, "1"},
		{pool.ErrClosed, 503, "1"},
		{&pool.BackoffError{RetryIn: 2500 * time.Millisecond, Err: setup}, 503, "3"},
		{&prefork.SetupError{Script: "a", TimedOut: true}, 504, ""},
		{&limitError{limit: "silence_timeout"}, 504, ""},
	} {
		for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
			w := httptest.NewRecorder()
			var got caddyhttp.HandlerError
			if !errors.As(answer(w, err), &got) || got.StatusCode != c.status || w.Header().Get("Retry-After") != c.retry {
				t.Errorf("%v: status %d, Retry-After %q", err, got.StatusCode, w.Header().Get("Retry-After"))
			}
			_, _, why := statusOf(err)
			if !slices.Contains(causes, why) {
				t.Errorf("%v: cause %q is not in the list", err, why)
			}
			seen[why] = true
		}
	}
	if len(seen) != len(causes) {
		t.Errorf("of the causes %q only %v occur", causes, seen)
	}
}
