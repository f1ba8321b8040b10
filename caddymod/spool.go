package caddymod

import (
	"errors"
	"io"
	"net/http"

	"go.uber.org/zap"

	"github.com/prefork-cgi/prefork-cgi/cgi"
)

// copySpooled is copy where the script may be ahead of its client: it ends, and its place
// is free, while the client still reads. A short response needs no second goroutine.
func (x *exchange) copySpooled() error {
	spool := cgi.NewResponseSpool(x.ResponseSpool)
	filled := make(chan struct{})
	if x.fill(spool, true) {
		go func() { // until the output ends, is aborted, or the spool closed
			defer close(filled)
			x.fill(spool, false)
		}()
	} else {
		close(filled)
	}
	err := http.ErrAbortHandler // if a write panics
	defer func() {
		if err != nil {
			_ = x.output.abort(err) // nobody will read it
		}
		spool.Close()
		<-filled // a handler must not return while its output is read
		x.logSpool(spool.Failure())
	}()
	err = x.drain(spool)
	return err
}

// fill moves output to the spool, and notes pauses there. If it is to begin only, it returns
// when there is something to be sent, and reports whether there is more to come.
func (x *exchange) fill(spool *cgi.ResponseSpool, begin bool) bool {
	pending := true // something has not been flushed
	for {
		chunk, err := x.output.next(pending)
		switch {
		case errors.Is(err, errPause):
			spool.Flush()
			pending = false
		case err != nil:
			spool.End(err)
			return false
		default:
			if _, err := spool.Write(chunk); err != nil {
				return false
			}
			pending = true
		}
		if begin && (!pending || spool.Held() > bufferSize) { // the next piece still fits into memory
			return true
		}
	}
}

// drain sends what is in the spool, until the script's output has ended.
func (x *exchange) drain(spool *cgi.ResponseSpool) error {
	control := http.NewResponseController(x.w)
	for {
		chunk, flush, err := spool.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := x.write(chunk); err != nil {
			return err
		}
		if !flush {
			continue
		}
		if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
}

// logSpool logs why a response could not be spooled to a file, if that is so. The script has
// waited for its client instead.
func (x *exchange) logSpool(err error) {
	if err != nil {
		x.logger.Warn("response cannot be spooled", append(x.logFields(), zap.Error(err))...)
	}
}
