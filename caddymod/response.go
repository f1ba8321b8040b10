package caddymod

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/prefork-cgi/prefork-cgi/cgi"
)

// flushDelay is how long output may pause before what has come is sent on: long
// enough for a script that is just ending, too short for anybody to notice.
const flushDelay = 2 * time.Millisecond

// endWait is how long after the end of the output the end of the executor is
// waited for, to tell how it was. A script that goes on after it has closed its output
// delays its response by no more than this.
const endWait = 250 * time.Millisecond

// errCrashed says that an executor was killed while it answered.
var errCrashed = errors.New("the script was killed before its response was complete")

// header reads the script's header. Informational responses before it are
// passed on.
func (x *exchange) header() (*cgi.Response, error) {
	raw := x.nonparsed(x.script.File)
	for {
		response, err := cgi.ReadHeader(x.output.buffer, raw)
		if errors.Is(err, cgi.ErrNoHeader) {
			return nil, x.withStatus(err)
		}
		if err != nil {
			return nil, err
		}
		if response.Kind != cgi.Informational {
			x.lease.PID() // the executor has written, and runs or has just ended
			return response, nil
		}
		x.inform(response)
	}
}

// inform sends an informational response, which a client of HTTP/1.0 would take for the
// response itself: RFC 9110 section 15.2.
func (x *exchange) inform(response *cgi.Response) {
	if !x.r.ProtoAtLeast(1, 1) {
		return
	}
	header := x.w.Header()
	before := header.Clone()
	maps.Copy(header, response.Header)
	x.w.WriteHeader(response.Status)
	clear(header)
	maps.Copy(header, before)
}

// withStatus adds to an error how the executor ended, if that is soon known.
func (x *exchange) withStatus(err error) error {
	x.lease.Attend()
	select {
	case <-x.lease.Finished():
		return fmt.Errorf("%w: exit status %v", err, x.lease.Status())
	case <-time.After(endWait):
		return err
	}
}

// send sends the response. What it returns can only break the connection.
func (x *exchange) send(response *cgi.Response) error {
	header := x.w.Header()
	maps.Copy(header, response.Header)
	if _, ok := response.Header["Content-Type"]; !ok {
		header["Content-Type"] = nil // it is not for us to guess
	}
	x.left = announced(response)
	if response.Chunked && x.r.Method != http.MethodHead && hasBody(response.Status) {
		x.chunks = new(cgi.Chunks)
	}
	x.w.WriteHeader(response.Status)
	x.sent = true
	x.lease.Responding()
	if err := x.copyBody(flushesAtOnce(response)); err != nil {
		return err
	}
	if err := x.endChunks(); err != nil {
		return err
	}
	return x.complete()
}

// copyBody sends the body on: at once, or by way of a spool if there is to be one.
func (x *exchange) copyBody(atOnce bool) error {
	if x.ResponseSpool > 0 && !atOnce {
		return x.copySpooled()
	}
	return x.copy(atOnce)
}

// flushesAtOnce reports whether each piece of output is to be sent as it comes.
func flushesAtOnce(response *cgi.Response) bool {
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return media == "text/event-stream" || response.Header.Get("X-Accel-Buffering") == "no" ||
		caddyhttp.IsIncremental(response.Header)
}

// copy sends the body on, and flushes it when the script pauses; and so the header.
func (x *exchange) copy(atOnce bool) error {
	control := http.NewResponseController(x.w)
	pending := true // something has not been flushed
	for {
		chunk, err := x.output.next(pending)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errPause):
		case err != nil:
			return err
		default:
			if err := x.write(chunk); err != nil {
				return err
			}
			if pending = true; !atOnce {
				continue
			}
		}
		if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		pending = false
	}
}

// announced returns how long the script says the body is; -1 if it does not.
func announced(response *cgi.Response) int64 {
	if length := response.Header.Get("Content-Length"); length != "" {
		if n, err := strconv.ParseInt(length, 10, 64); err == nil {
			return n
		}
	}
	return -1
}

// write writes a piece of the body. What the status or the announced length
// forbids is dropped, as the script's own fault.
func (x *exchange) write(p []byte) (err error) {
	if x.chunks != nil {
		if p, err = x.chunks.Decode(p); err != nil {
			return err
		}
	}
	if x.left >= 0 {
		p = p[:min(int64(len(p)), x.left)]
		x.left -= int64(len(p))
	}
	if len(p) == 0 {
		return nil
	}
	_, err = x.w.Write(p)
	if errors.Is(err, http.ErrBodyNotAllowed) {
		return nil
	}
	return err
}

// complete learns how the executor ended, if it is at its end. One that has closed its
// output by itself has nothing more to say, and may go on; only the access log waits
// for its end.
func (x *exchange) complete() error {
	if x.left == 0 && !x.reports() { // all that was announced has come
		return nil
	}
	if reason := x.output.reason(); reason != nil {
		return reason // its output has ended because we have ended it
	}
	select {
	case <-x.lease.Finished():
	default:
		if !x.awaitEnd() {
			return nil
		}
	}
	if status := x.lease.Status(); status.Crashed() {
		return fmt.Errorf("%w: %v", errCrashed, status)
	}
	return nil
}

// awaitEnd waits for an executor that has ended, or is asked for, and reports whether its
// end has come.
func (x *exchange) awaitEnd() bool {
	var wait <-chan time.Time
	switch answered := x.lease.Answered(); {
	case answered && !x.reports():
		return false
	case answered:
		wait = time.After(endWait)
	default:
		wait = x.output.silent()
	}
	x.lease.Attend()
	select {
	case <-x.lease.Finished():
		return true
	case <-wait:
		return false
	}
}
