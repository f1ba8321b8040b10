package bench

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// streamer writes five pieces, 20 ms apart, each of 600 bytes that begin with the time.
const streamer = `#!/usr/bin/perl
use strict; use warnings; use Time::HiRes qw(time sleep);
$| = 1; print "Content-Type: $ENV{QUERY_STRING}\n\n";
for (1 .. 5) { printf "%-599s\n", sprintf('%.6f', time); sleep 0.02 }
`

// BenchmarkStream measures how long after the script's flush a client has what was flushed:
// over all pieces of all responses, and over their first pieces, which come with the header.
// by-hand is the same script, read through a pipe: what the machine itself takes. p99 needs
// some hundred responses:
//
//	go test -run '^$' -bench Stream -benchtime 200x ./tests/bench
func BenchmarkStream(b *testing.B) {
	s := site.Serve(b, "encode gzip\nprefork_cgi", map[string]string{"stream.pl": streamer})
	b.Run("by-hand", func(b *testing.B) {
		measure(b, func() []time.Duration { return piecesByHand(b, s.Path("stream.pl")) })
	})
	for _, media := range []string{"text/event-stream", "text/plain"} {
		for _, encoding := range []string{"identity", "gzip"} {
			b.Run(strings.TrimPrefix(media, "text/")+"/"+encoding, func(b *testing.B) {
				_ = pieces(b, s, media, encoding) // starts it
				measure(b, func() []time.Duration { return pieces(b, s, media, encoding) })
			})
		}
	}
}

// measure makes responses, and reports how late their pieces are.
func measure(b *testing.B, respond func() []time.Duration) {
	b.Helper()
	var all, first []time.Duration
	for b.Loop() {
		late := respond()
		all, first = append(all, late...), append(first, late[0])
	}
	report(b, "", all)
	report(b, "first-", first)
	b.ReportMetric(0, "ns/op") // which means nothing
}

// piecesByHand runs the script as a CGI server would, and returns how late each piece is.
func piecesByHand(b *testing.B, script string) []time.Duration {
	b.Helper()
	cmd := exec.Command(script)
	cmd.Env = []string{"QUERY_STRING=text/plain"}
	out, err := cmd.StdoutPipe()
	site.Must(b, err)
	site.Must(b, cmd.Start())
	in := bufio.NewReader(out)
	for range 2 { // the header
		_, err = in.ReadSlice('\n')
		site.Must(b, err)
	}
	late := lateness(b, in)
	site.Must(b, cmd.Wait())
	return late
}

// pieces makes a request and returns how late each piece of the response is.
func pieces(b *testing.B, s *site.Site, media, encoding string) []time.Duration {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+s.Addr+"/stream.pl?"+media, nil)
	site.Must(b, err)
	r.Header.Set("Accept-Encoding", encoding)
	response, err := http.DefaultTransport.RoundTrip(r)
	site.Must(b, err)
	defer response.Body.Close()
	var body io.Reader = response.Body
	if encoding == "gzip" {
		body, err = gzip.NewReader(body)
		site.Must(b, err)
	}
	if got := response.Header.Get("Content-Encoding"); got != strings.TrimPrefix(encoding, "identity") {
		b.Fatalf("the encoding is %q", got)
	}
	return lateness(b, body)
}

// lateness reads the pieces of a body, and returns how long after it was written each comes.
func lateness(b *testing.B, body io.Reader) (late []time.Duration) {
	b.Helper()
	for lines := bufio.NewScanner(body); lines.Scan(); {
		now := time.Now()
		said, err := strconv.ParseFloat(strings.TrimSpace(lines.Text()), 64)
		site.Must(b, err)
		late = append(late, now.Sub(time.UnixMicro(int64(said*1e6))))
	}
	if len(late) != 5 {
		b.Fatalf("there are %d pieces", len(late))
	}
	return late
}

// report reports the median and the 99th percentile.
func report(b *testing.B, name string, times []time.Duration) {
	b.Helper()
	slices.Sort(times)
	for _, percent := range []int{50, 99} {
		at := times[(len(times)-1)*percent/100]
		b.ReportMetric(float64(at.Microseconds())/1000, fmt.Sprintf("%sp%d-ms", name, percent))
	}
}
