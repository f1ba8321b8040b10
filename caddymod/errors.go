package caddymod

import (
	"context"
	"errors"
	"math"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/prefork-cgi/prefork-cgi/cgi"
	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// statusClientClosed is what logs say of a request whose client has left; nobody
// receives it.
const statusClientClosed = 499

// answer makes an error the answer to a request of which nothing has been sent:
// its status, and when to come again.
func answer(w http.ResponseWriter, err error) error {
	status, retry := statusOf(err)
	if retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(retry.Seconds()))))
	}
	return caddyhttp.Error(status, err)
}

// fail is answer for an exchange, whose executor ends too.
func (x *exchange) fail(err error) error {
	err = x.end(err)
	if overload := (*pool.OverloadError)(nil); errors.As(err, &overload) && !hasLeft(err) {
		err = caddyhttp.HandlerError{StatusCode: x.Overload, Err: err}
	}
	return answer(x.w, err)
}

// breakOff breaks the connection: what has been sent must not look complete.
// net/http expects this panic and says nothing of it.
func (x *exchange) breakOff(err error) {
	_ = x.end(err)
	// So that the client has all that was complete.
	_ = http.NewResponseController(x.w).Flush()
	panic(http.ErrAbortHandler)
}

// end ends the executor, if there is one and it still runs, because of an error,
// and returns the first such.
func (x *exchange) end(err error) error {
	if x.output != nil {
		err = x.output.abort(err)
	}
	// A client that leaves makes a write fail, sometimes before we are told. One
	// that has only ended its body may still read.
	body := (*cgi.BodyError)(nil)
	if cause := context.Cause(x.r.Context()); cause != nil && !errors.As(err, &body) {
		err = cause
	}
	x.failure = err
	return err
}

// busyRetry is when to come again if there is no better guess.
const busyRetry = time.Second

// statusOf is the one place where errors become statuses.
func statusOf(err error) (status int, retryAfter time.Duration) {
	var (
		handler   caddyhttp.HandlerError
		overload  *pool.OverloadError
		badPath   *cgi.BadPathError
		forbidden *cgi.ForbiddenError
		body      *cgi.BodyError
		tooLarge  *http.MaxBytesError
		backoff   *pool.BackoffError
		setup     *prefork.SetupError
	)
	switch {
	case errors.As(err, &overload) && errors.As(err, &handler):
		return handler.StatusCode, overload.RetryIn
	case errors.As(err, &handler): // another handler's, such as request_body's
		return handler.StatusCode, 0
	case errors.As(err, &badPath):
		return http.StatusBadRequest, 0
	case errors.As(err, &forbidden):
		return http.StatusForbidden, 0
	case errors.Is(err, cgi.ErrBodyTooLarge), errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, 0
	case hasLeft(err):
		return statusClientClosed, 0
	case errors.As(err, &body) && errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout, 0
	case errors.As(err, &body):
		return http.StatusBadRequest, 0
	case errors.As(err, &backoff):
		return http.StatusServiceUnavailable, backoff.RetryIn
	case errors.Is(err, pool.ErrClosed):
		return http.StatusServiceUnavailable, busyRetry
	case errors.Is(err, errSilent), errors.As(err, &setup) && setup.TimedOut:
		return http.StatusGatewayTimeout, 0
	case errors.Is(err, syscall.E2BIG):
		return http.StatusRequestHeaderFieldsTooLarge, 0
	case errors.Is(err, cgi.ErrNotFound):
		return http.StatusNotFound, 0
	}
	return http.StatusBadGateway, 0
}

// hasLeft reports whether an error means that the client has left.
func hasLeft(err error) bool { return errors.Is(err, context.Canceled) }
