package soak

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

// An answer is a request and what has come of it.
type answer struct {
	script      *script
	method      string
	token, body string // what it sent
	newest      int    // version of the script that was known when it was sent
	sent, done  time.Time
	left        bool // the client has, on purpose
	tries       int  // connections that it was sent over: more than one if a kept one was closed

	status int // 0: none has come
	text   string
	err    error
}

func (a *answer) String() string {
	return fmt.Sprintf("%s %s?%s with %d bytes, %v, after %v", a.method, a.script.path, a.token, len(a.body), a.sent.Format("15:04:05.000"),
		a.done.Sub(a.sent).Round(time.Millisecond))
}

// A client makes one request after the other. All of them share the counter of tokens.
type client struct {
	run    *run
	random *rand.Rand
	tokens *atomic.Int64
	steady *http.Client // over connections that stay
	rude   *http.Client // each over its own, which is reset now and then
}

func newClient(r *run, n int) *client {
	c := &client{run: r, random: r.random(n), tokens: &r.tokens}
	c.steady = &http.Client{Transport: &http.Transport{DisableCompression: true}}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		tcp := conn.(*net.TCPConn)
		_ = tcp.SetReadBuffer(4096) // so that a slow reader is felt
		if c.tokens.Load()%2 == 0 {
			_ = tcp.SetLinger(0)
		}
		return conn, nil
	}
	c.rude = &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true, DialContext: dial}}
	return c
}

// close gives the client's connections up.
func (c *client) close() { c.steady.CloseIdleConnections() }

// serve makes requests until ctx is done. One in fifty is a client's fault.
func (c *client) serve(ctx context.Context) {
	for ctx.Err() == nil && c.run.admit(ctx) {
		s := c.run.pick(c.random)
		if c.random.IntN(50) == 0 {
			c.misbehave(s)
		} else {
			c.ask(s)
		}
		c.run.judged()
	}
}

// ask makes an ordinary request: without a body, with one, with one of unknown length,
// and seldom with a large one.
func (c *client) ask(s *script) *answer {
	switch c.random.IntN(40) {
	case 0:
		return c.do(c.steady, s, c.text(200_000), nil)
	case 1, 2:
		return c.do(c.steady, s, c.text(5000), chunked)
	case 3, 4, 5, 6, 7, 8, 9, 10, 11:
		return c.do(c.steady, s, c.text(2000), nil)
	}
	return c.do(c.steady, s, "", nil)
}

// misbehave is a fault of the client.
func (c *client) misbehave(s *script) {
	patience := time.Duration(c.random.IntN(60)) * time.Millisecond
	switch c.random.IntN(4) {
	case 0:
		c.run.model.fault("client leaves in the request", "")
		c.leave(s, patience, c.text(10_000), func(r io.Reader) io.Reader { return &pausing{r, 500, 10 * time.Millisecond} })
	case 1:
		c.run.model.fault("client leaves in the response", "")
		c.leave(s, patience, c.text(100_000), nil)
	case 2:
		c.run.model.fault("client sends slowly", "")
		c.do(c.rude, s, c.text(5000), func(r io.Reader) io.Reader { return &pausing{r, 500, 5 * time.Millisecond} })
	case 3:
		c.run.model.fault("client reads slowly", "")
		c.do(&http.Client{Transport: slowReader{c.rude.Transport}}, s, c.text(200_000), nil)
	}
}

// text returns a body of up to a number of bytes.
func (c *client) text(most int) string {
	word := fmt.Sprintf("%x ", c.random.Uint64())
	return strings.Repeat(word, c.random.IntN(most)/len(word)+1)
}

// chunked hides the length of a body.
func chunked(r io.Reader) io.Reader { return struct{ io.Reader }{r} }

// do makes a request to the end and has it judged. wrap may change how its body is
// sent; the length is then announced all the same, but for chunked.
func (c *client) do(by *http.Client, s *script, body string, wrap func(io.Reader) io.Reader) *answer {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	a := c.exchange(ctx, by, s, body, wrap)
	c.run.model.judge(a)
	return a
}

// leave is do by a client that leaves when its patience is at its end.
func (c *client) leave(s *script, patience time.Duration, body string, wrap func(io.Reader) io.Reader) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a := c.exchange(ctx, c.rude, s, body, wrap)
	a.left = ctx.Err() != nil
	c.run.model.judge(a)
}

// answerLimit is longer than any limit of the configuration lets a request take.
const answerLimit = 100 * time.Second

func (c *client) exchange(ctx context.Context, by *http.Client, s *script, body string, wrap func(io.Reader) io.Reader) *answer {
	a := &answer{script: s, method: http.MethodGet, token: fmt.Sprintf("t%d", c.tokens.Add(1)), body: body, newest: s.newest()}
	r, err := c.request(ctx, a, wrap)
	if err != nil {
		a.err = err
		return a
	}
	a.sent = time.Now()
	defer func() { a.done = time.Now() }()
	resp, err := by.Do(r)
	if err != nil {
		a.err = err
		return a
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	a.status, a.text, a.err = resp.StatusCode, string(text), err
	return a
}

// request makes the request of an answer.
func (c *client) request(ctx context.Context, a *answer, wrap func(io.Reader) io.Reader) (*http.Request, error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { a.tries++ }})
	url := "http://" + c.run.site.Addr + "/" + a.script.path + "?" + a.token
	if a.body == "" {
		return http.NewRequestWithContext(ctx, a.method, url, nil)
	}
	a.method = http.MethodPost
	r, err := http.NewRequestWithContext(ctx, a.method, url, strings.NewReader(a.body))
	if err != nil {
		return nil, err
	}
	// So that it is sent again if the server closes the connection just before it comes.
	r.Header.Set("Idempotency-Key", a.token)
	if wrap != nil {
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(wrap(strings.NewReader(a.body))), nil }
		r.Body, err = r.GetBody()
		if _, announced := wrap(nil).(*pausing); !announced {
			r.ContentLength = -1
		}
	}
	return r, err
}

// A pausing reader yields a few bytes at a time, and pauses before each.
type pausing struct {
	io.Reader
	size  int
	pause time.Duration
}

func (p *pausing) Read(b []byte) (int, error) {
	time.Sleep(p.pause)
	return p.Reader.Read(b[:min(len(b), p.size)])
}

// A slowReader reads responses slowly.
type slowReader struct{ http.RoundTripper }

func (s slowReader) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{&pausing{resp.Body, 8192, 5 * time.Millisecond}, resp.Body}
	}
	return resp, err
}
