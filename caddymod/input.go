package caddymod

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prefork-cgi/prefork-cgi/cgi"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// What is read of a body that the script does not want. A connection that is
// closed while the client still sends is reset, and the client may then lose the
// response; so for some time and some bytes it is let finish.
const (
	lingerTime  = 5 * time.Second
	lingerLimit = 64 << 20
)

// requestBody returns the body of the request. One that has to be spooled is read to its
// end, unless there is no room in the queue: that would be in vain.
func (x *exchange) requestBody() (*cgi.Body, error) {
	x.timeBody()
	if x.RequestBody == streamed {
		return cgi.StreamedBody(x.r), nil
	}
	if x.r.ContentLength < 0 {
		if err := registry.Full(x.spec(x.script.File, x.identifying(0), x.repl)); err != nil {
			return nil, err
		}
	}
	limit := x.SpoolLimit
	if limit < 0 {
		limit = math.MaxInt64
	}
	return cgi.NewBody(x.r, limit)
}

// An input feeds a request body to a script.
type input struct {
	x    *exchange
	pipe *os.File      // our end; nil when nothing is to be written
	rest io.Reader     // what is to be written
	done chan struct{} // closed when the body is not read any more; nil without a goroutine

	closing atomic.Bool // the exchange is over, and the end of the body no error
}

// newInput returns what feeds a body, and the script's end; that is nil for
// /dev/null, and the body's if it was spooled. What fits into a pipe is in it then.
func newInput(x *exchange, body *cgi.Body) (in *input, theirs *os.File, err error) {
	in = &input{x: x, rest: body.Reader}
	if body.Ahead == nil && body.Reader == nil {
		return in, body.File, nil
	}
	if in.pipe, theirs, err = prefork.NewInputPipe(); err != nil {
		return nil, nil, err
	}
	if body.Ahead == nil {
		return in, theirs, nil
	}
	// A pipe is large enough, unless this user has too many of them.
	if n := prefork.WriteReady(in.pipe, body.Ahead); n < len(body.Ahead) {
		in.rest = bytes.NewReader(body.Ahead[n:])
	} else {
		in.abandon()
	}
	return in, theirs, nil
}

// abandon closes what nobody will write to.
func (in *input) abandon() {
	if in.pipe != nil {
		_ = in.pipe.Close()
		in.pipe = nil
	}
}

// feed starts to copy what is left of the body.
func (in *input) feed() {
	if in.pipe == nil {
		return
	}
	if in.x.r.ProtoMajor == 1 {
		// Else net/http would read the rest of the body by itself, before the
		// first byte of the response, while we read it. Where it is not
		// supported both directions are independent anyway.
		_ = http.NewResponseController(in.x.w).EnableFullDuplex()
	}
	in.done = make(chan struct{})
	go in.run() // until the body is at its end, or close
}

// run copies. A script that does not want the body, or not all of it, closes its
// end; that is no error. A body that cannot be read is.
func (in *input) run() {
	defer close(in.done)
	source := &bodyReader{Reader: in.rest, waiting: &in.x.output.waiting}
	_, _ = io.Copy(progressWriter{in.pipe, in.x.output}, source)
	if source.err != nil && !errors.Is(source.err, io.EOF) && !in.closing.Load() {
		_ = in.x.output.abort(source.err) // before the script takes what it has for all
	}
	_ = in.pipe.Close()
	in.x.output.progress() // from here on the script waits for nobody
	if source.err == nil {
		// Not by source: the script waits for nothing of this.
		if in.x.body != nil {
			in.x.body.unused.Store(true)
		}
		_, _ = io.CopyN(io.Discard, in.rest, lingerLimit)
	}
}

// close ends the copying. A handler must not return while its body is read.
func (in *input) close() {
	if in.done == nil {
		return
	}
	in.closing.Store(true)
	_ = in.pipe.Close()
	select {
	case <-in.done:
		return
	default:
	}
	control := http.NewResponseController(in.x.w)
	deadline := time.Unix(1, 0)
	if in.lingers() {
		if in.x.sent {
			_ = control.Flush()
		}
		deadline = time.Now().Add(lingerTime)
	}
	// On a connection that is closed already it fails, and so does the reading.
	if err := control.SetReadDeadline(deadline); !errors.Is(err, http.ErrNotSupported) {
		<-in.done
	}
}

// lingers reports whether the client is to finish sending: it is about to get a
// response, or an error that is not its own.
func (in *input) lingers() bool {
	failure, body := in.x.failure, (*cgi.BodyError)(nil)
	return failure == nil || !in.x.sent && !hasLeft(failure) && !errors.As(failure, &body)
}

// A bodyReader keeps the error that ended it: io.Copy does not tell whose it was.
type bodyReader struct {
	io.Reader
	waiting *atomic.Bool // set while it reads
	err     error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	b.waiting.Store(true)
	n, err := b.Reader.Read(p)
	b.waiting.Store(false)
	b.err = err
	return n, err
}

// A progressWriter counts what a script takes in as a sign of life.
type progressWriter struct {
	pipe   *os.File
	output *output
}

func (w progressWriter) Write(p []byte) (int, error) {
	n, err := w.pipe.Write(p)
	w.output.progress()
	return n, err
}
