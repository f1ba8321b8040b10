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
	status, retry, why := statusOf(err)
	failures.inc(why)
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
	_, _, why := statusOf(x.end(err))
	failures.inc(why)
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
	// that has only ended its body may still read, and one that has given up after a limit has not caused it.
	body, limit := (*cgi.BodyError)(nil), (*limitError)(nil)
	if cause := context.Cause(x.r.Context()); cause != nil && !errors.As(err, &body) && !errors.As(err, &limit) {
		err = cause
	}
	x.failure = err
	return err
}

// busyRetry is when to come again if there is no better guess.
const busyRetry = time.Second

// shortageRetry is when to come again if the machine lacks something: as the pool does.
const shortageRetry = time.Second

// A cause is why a request has failed, in one word: the label of a metric. There are no
// others than those in causes, and docs/operations.md has them all.
type cause string

// statusOf is the one place where errors become statuses, and causes. If the status is
// worth another try, retryAfter says when.
func statusOf(err error) (status int, retryAfter time.Duration, why cause) {
	var (
		handler   caddyhttp.HandlerError
		overload  *pool.OverloadError
		badPath   *cgi.BadPathError
		badHost   *cgi.BadHostError
		forbidden *cgi.ForbiddenError
		body      *cgi.BodyError
		limit     *limitError
		tooLarge  *http.MaxBytesError
		backoff   *pool.BackoffError
	)
	switch {
	case errors.As(err, &overload):
		status = http.StatusServiceUnavailable
		if errors.As(err, &handler) { // as the administrator wants it
			status = handler.StatusCode
		}
		return status, overload.RetryIn, overloads[overload.Err]
	case errors.As(err, &handler): // another handler's, such as request_body's
		return handler.StatusCode, 0, "other_handler"
	case errors.As(err, &badPath):
		return http.StatusBadRequest, 0, "bad_path"
	case errors.As(err, &badHost):
		return http.StatusBadRequest, 0, "bad_host"
	case errors.Is(err, cgi.ErrMethod):
		return http.StatusMethodNotAllowed, 0, "bad_method"
	case errors.As(err, &forbidden):
		return http.StatusForbidden, 0, "forbidden"
	case errors.Is(err, cgi.ErrBodyTooLarge), errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, 0, "body_too_large"
	case hasLeft(err):
		return statusClientClosed, 0, "client_left"
	case errors.As(err, &limit):
		return limit.status(), 0, limit.cause()
	case errors.As(err, &body) && errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout, 0, "body_stalled"
	case errors.As(err, &body):
		return http.StatusBadRequest, 0, "bad_body"
	case errors.As(err, &backoff):
		return http.StatusServiceUnavailable, backoff.RetryIn, "backing_off"
	case errors.Is(err, pool.ErrClosed):
		return http.StatusServiceUnavailable, busyRetry, "shutting_down"
	case prefork.IsShortage(err):
		return http.StatusServiceUnavailable, shortageRetry, "shortage"
	case errors.Is(err, syscall.E2BIG):
		return http.StatusRequestHeaderFieldsTooLarge, 0, "request_too_large"
	case errors.Is(err, cgi.ErrNotFound):
		return http.StatusNotFound, 0, "not_found"
	}
	status, why = scriptFault(err)
	return status, 0, why
}

// overloads are the causes of not being served because of others.
var overloads = map[error]cause{
	pool.ErrQueueFull: "queue_full", pool.ErrQueueTimeout: "queue_timeout", pool.ErrBudget: "budget",
}

// scriptFault is statusOf for what is the script's own fault, or its administrator's.
func scriptFault(err error) (status int, why cause) {
	var (
		setup  *prefork.SetupError
		start  *prefork.StartError
		unsafe *prefork.UnsafeError
		header *cgi.HeaderError
	)
	switch {
	case errors.As(err, &setup) && setup.TimedOut:
		return http.StatusGatewayTimeout, "setup_timeout"
	case errors.As(err, &setup):
		return http.StatusBadGateway, "setup_failed"
	case errors.As(err, &start):
		return http.StatusBadGateway, "cannot_start"
	case errors.As(err, &unsafe):
		return http.StatusBadGateway, "unsafe"
	case errors.As(err, &header):
		return http.StatusBadGateway, "bad_header"
	case errors.Is(err, cgi.ErrNoHeader):
		return http.StatusBadGateway, "no_header"
	case errors.Is(err, errCrashed), errors.Is(err, prefork.ErrGone):
		return http.StatusBadGateway, "killed"
	}
	return http.StatusBadGateway, "other"
}

// hasLeft reports whether an error means that the client has left.
func hasLeft(err error) bool { return errors.Is(err, context.Canceled) }
