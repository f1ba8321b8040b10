package caddymod

import (
	"os"

	"github.com/prefork-cgi/prefork-cgi/cgi"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// pipes are both ends of a call's standard streams.
type pipes struct {
	ourStdin                                 *os.File // nil where nothing is to be fed
	stdin                                    *os.File // nil for /dev/null; a spooled body's file is the body's
	stdout, theirStdout, stderr, theirStderr *os.File
	spooled                                  bool
}

// newPipes makes what a call with this body needs; on failure nothing stays open.
func newPipes(body *cgi.Body) (p *pipes, err error) {
	p = &pipes{stdin: body.File, spooled: body.File != nil}
	defer func() {
		if err != nil {
			p.closeTheirs()
			p.closeOurs()
		}
	}()
	if body.Reader != nil {
		if p.ourStdin, p.stdin, err = prefork.NewInputPipe(); err != nil {
			return nil, err
		}
	}
	if p.stdout, p.theirStdout, err = prefork.NewPipe(); err != nil {
		return nil, err
	}
	p.stderr, p.theirStderr, err = prefork.NewPipe()
	return p, err
}

func (p *pipes) closeTheirs() {
	if !p.spooled {
		closeFiles(p.stdin)
	}
	closeFiles(p.theirStdout, p.theirStderr)
}

func (p *pipes) closeOurs() { closeFiles(p.ourStdin, p.stdout, p.stderr) }

func closeFiles(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
