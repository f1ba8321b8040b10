package prefork

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// captureLimit is how much of a setup's stderr is kept for its error.
const captureLimit = 64 << 10

// A capture reads the pipe that is stdout and stderr of a setup. While nobody
// knows how setup ends it keeps what it reads. If setup fails, that is the text
// of the error; else it becomes lines, and so does what comes later from a
// process that holds a duplicate.
type capture struct {
	pipe *os.File
	done chan struct{} // closed when nothing more is read

	mu       sync.Mutex
	kept     []byte
	dropped  bool // more was written than is kept
	released *LineWriter
}

// newCapture starts to read. It ends by fail, or with the last holder of the
// pipe's other end.
func newCapture(pipe *os.File) *capture {
	c := &capture{pipe: pipe, done: make(chan struct{})}
	go c.run() // until end-of-file or fail
	return c
}

func (c *capture) run() {
	defer close(c.done)
	defer c.pipe.Close()
	b := make([]byte, 4<<10)
	for {
		n, err := c.pipe.Read(b)
		c.take(b[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.drain(b)
			return
		}
		if err != nil {
			c.flush()
			return
		}
	}
}

// drain takes what is in the pipe now.
func (c *capture) drain(b []byte) {
	for {
		n, err := ReadReady(c.pipe, b)
		if n == 0 || err != nil && !errors.Is(err, io.EOF) {
			return
		}
		c.take(b[:n])
	}
}

func (c *capture) take(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released != nil {
		_, _ = c.released.Write(p)
		return
	}
	if room := captureLimit - len(c.kept); len(p) > room {
		p, c.dropped = p[:room], true
	}
	c.kept = append(c.kept, p...)
}

func (c *capture) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released != nil {
		c.released.Flush()
	}
}

// fail ends the reading and returns what setup has written. Setup has been
// reaped, so all of it is kept or in the pipe, whoever else holds its end.
func (c *capture) fail() []byte {
	_ = c.pipe.SetReadDeadline(time.Now())
	<-c.done
	if c.dropped {
		return append(c.kept, "\n[more was written]"...)
	}
	return c.kept
}

// release passes on what is kept and all that follows, line by line.
func (c *capture) release(output func(line string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.released = &LineWriter{Emit: output}
	_, _ = c.released.Write(c.kept)
	c.kept = nil
	select {
	case <-c.done: // run has ended and will not flush
		c.released.Flush()
	default:
	}
}
