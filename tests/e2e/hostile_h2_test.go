package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// refused is the status of a request that HTTP/2 has answered by ending its stream, or the
// connection.
const refused = "refused"

// The same requests over HTTP/2, as far as they can be said in it.
func TestHostileRequestsOverHTTP2(t *testing.T) {
	t.Setenv("PATH", "/usr/bin:/bin")
	s, runs := serveHostile(t, "auto")
	said := 0
	for i, c := range readHostile(t) {
		fields := c.pseudo(s)
		if fields == nil {
			continue
		}
		said++
		if problem := errors.Join(c.attackByStream(t, s, fields, i), c.check(s, runs)); problem != nil {
			t.Errorf("hostile.txt, line %d: %v", c.line, problem)
		}
	}
	if said < 300 {
		t.Errorf("only %d requests could be made", said)
	}
}

// pseudo returns a request as the fields of HTTP/2; nil if it cannot be one: its target is no
// path, or it is about lines and bodies.
func (c *hostileCase) pseudo(s *site.Site) []hpack.HeaderField {
	head, isWhole := strings.CutSuffix(c.place(s, c.request), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	method, rest, _ := strings.Cut(lines[0], " ")
	target, isRequest := strings.CutSuffix(rest, " HTTP/1.1")
	if !isWhole || !isRequest || c.cut || len(head) > 16000 || len(lines) > 100 || method == "CONNECT" || !strings.HasPrefix(target, "/") ||
		strings.Contains(target, " ") || len(lines) < 2 || !strings.HasPrefix(lines[1], "Host: ") {
		return nil
	}
	host := strings.TrimPrefix(lines[1], "Host: ")
	fields := []hpack.HeaderField{
		{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: host}, {Name: ":path", Value: target},
	}
	for _, line := range lines[2:] {
		name, value, isField := strings.Cut(line, ": ")
		if !isField || name == "" || strings.ContainsAny(name, " \t:") || slices.Contains([]string{"Connection", "Host", "Upgrade", "Expect"}, name) ||
			strings.Contains(line, "ncoding") || strings.Contains(line, "ength") {
			return nil
		}
		fields = append(fields, hpack.HeaderField{Name: strings.ToLower(name), Value: strings.Trim(value, " \t")})
	}
	return fields
}

// attackByStream is attack with a stream for the request and another for the next one.
func (c *hostileCase) attackByStream(t *testing.T, s *site.Site, fields []hpack.HeaderField, number int) error {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	site.Must(t, err)
	defer conn.Close()
	site.Must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, http2.ClientPreface)
	site.Must(t, err)
	var block bytes.Buffer
	encoder, framer := hpack.NewEncoder(&block), http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	site.Must(t, framer.WriteSettings())
	probe := []hpack.HeaderField{
		{Name: ":method", Value: "GET"},
		{Name: ":scheme", Value: "http"},
		{Name: ":authority", Value: s.Addr},
		{Name: ":path", Value: fmt.Sprint("/probe?", number)},
	}
	stream := uint32(1)
	for _, fields := range [][]hpack.HeaderField{fields, probe} {
		block.Reset()
		for _, field := range fields {
			site.Must(t, encoder.WriteField(field))
		}
		// A server that has refused the first does not read the second.
		_ = framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true,
		})
		stream += 2
	}
	answers, err := readStreams(framer)
	if err != nil {
		return err
	}
	status, _, _ := strings.Cut(answers[1], " ")
	mayRefuse := c.script == "" && slices.ContainsFunc(c.status, func(status string) bool { return status != "200" })
	if !slices.Contains(c.status, status) && (status != refused || !mayRefuse) {
		return fmt.Errorf("over HTTP/2 the answer is %.300q, want status %s", answers[1], c.status)
	}
	if want := fmt.Sprintf("200 probe %d", number); answers[3] != want && answers[3] != refused {
		return fmt.Errorf("over HTTP/2 the next request: %.200q, want %q", answers[3], want)
	}
	return nil
}

// readStreams reads the answers of streams 1 and 3, each as its status and its body.
func readStreams(framer *http2.Framer) (map[uint32]string, error) {
	answers, open := map[uint32]string{}, 2
	for open > 0 {
		frame, err := framer.ReadFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
		if err != nil { // the connection has been ended
			break
		}
		id := frame.Header().StreamID
		ended := frame.Header().Flags.Has(http2.FlagDataEndStream)
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			for _, field := range frame.RegularFields() {
				if name := strings.ToLower(field.Name); !slices.ContainsFunc(harmless, func(h string) bool { return strings.ToLower(h) == name }) {
					return nil, fmt.Errorf("a field %s: %q", field.Name, field.Value)
				}
			}
			answers[id] = frame.PseudoValue("status") + " "
		case *http2.DataFrame:
			answers[id] += string(frame.Data())
		case *http2.RSTStreamFrame:
			answers[id], ended = refused, true
		default:
			continue
		}
		if strings.Contains(answers[id], "SECRET") {
			return nil, fmt.Errorf("a secret is shown: %.300q", answers[id])
		}
		if ended {
			open--
		}
	}
	for _, id := range []uint32{1, 3} {
		if answers[id] = strings.TrimSpace(answers[id]); answers[id] == "" {
			answers[id] = refused
		}
	}
	return answers, nil
}
