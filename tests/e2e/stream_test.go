package e2e

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// talkers answer line by line: they write their query, in words, as a header, and then for
// each line of the request a piece of 600 bytes that ends in it.
var talkers = map[string]string{
	"cold.cgi": "#!/bin/sh\nprintf '%b\\n' \"$QUERY_STRING\"\nwhile read -r line; do printf '%600s\\n' \"$line\"; done\n",
	"warm.pl": "#!/usr/bin/perl\nuse strict; use warnings; $| = 1;\n" +
		"print $ENV{QUERY_STRING} =~ s/\\\\n/\\n/gr, \"\\n\"; while (my $line = <STDIN>) { printf '%601s', $line }\n",
	"warm.py": "#!/usr/bin/python3\nimport os, sys\nprint(os.environ['QUERY_STRING'].replace('\\\\n', '\\n'), flush=True)\n" +
		"for line in sys.stdin: print(line.rjust(601), end='', flush=True)\n",
}

// Each piece is with the client before the script is asked for the next.
func TestPiecesPassMiddlewareAsTheyAreFlushed(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "encode gzip\nheader >X-Seen yes\nprefork_cgi", talkers)
	for script := range talkers {
		for name, header := range map[string]string{
			"event stream": `Content-Type:text/event-stream\n`,
			"no buffering": `Content-Type:text/plain\nX-Accel-Buffering:no\n`,
			"no length":    `Content-Type:text/plain\n`,
		} {
			t.Run(script+", "+name, func(t *testing.T) {
				words := []string{"one\n", "two\n", "three\n"}
				body, send := io.Pipe()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr+"/"+script+"?"+header, body)
				site.Must(t, err)
				r.ContentLength = int64(len(strings.Join(words, "")))
				r.Header.Set("Accept-Encoding", "gzip")
				if name != "event stream" { // its header comes first; encode keeps others for the first piece
					go io.WriteString(send, words[0])
					words[0] = ""
				}
				response, err := http.DefaultTransport.RoundTrip(r)
				site.Must(t, err)
				defer response.Body.Close()
				if response.Header.Get("Content-Encoding") != "gzip" || response.Header.Get("X-Seen") != "yes" {
					t.Errorf("header is %v", response.Header)
				}
				conversation(t, response.Body, send, words)
			})
		}
	}
}

// conversation sends each word, unless it is empty, and awaits its piece before the next.
func conversation(t *testing.T, compressed io.Reader, send *io.PipeWriter, words []string) {
	t.Helper()
	var in io.Reader
	for _, word := range words {
		if word != "" {
			io.WriteString(send, word)
		}
		if in == nil { // it reads the beginning at once
			var err error
			in, err = gzip.NewReader(compressed)
			site.Must(t, err)
		}
		piece := make([]byte, 601)
		if _, err := io.ReadFull(in, piece); err != nil || !strings.HasSuffix(string(piece), " "+word) && word != "" {
			t.Fatalf("after %q: %v, %q", word, err, piece)
		}
	}
	send.Close()
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %v, %q", err, rest)
	}
}

func TestHeaderIsSentWhenTheScriptPausesAfterIt(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", talkers)
	for script := range talkers {
		body, send := io.Pipe()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr+"/"+script+`?Content-Type:text/plain\n`, body)
		site.Must(t, err)
		r.ContentLength = 5
		response, err := http.DefaultTransport.RoundTrip(r) // before anything of the body is sent
		site.Must(t, err)
		io.WriteString(send, "line\n")
		if text, err := io.ReadAll(response.Body); err != nil || len(text) != 601 {
			t.Errorf("%s: %v, %q", script, err, text)
		}
		response.Body.Close()
	}
}

// large is more than the kernel holds for a connection.
const large = 24 << 20

// writers write a large body, in pieces, and say in a file how far they are.
var writers = map[string]string{
	"cold.cgi": "#!/bin/sh\nexec perl -x \"$0\"\n#!perl\n" + writerBody,
	"warm.pl":  "#!/usr/bin/perl\n" + writerBody,
}

const writerBody = `use strict; use warnings; use IO::Handle;
my ($type, $then) = split /;/, $ENV{QUERY_STRING};
open my $progress, '>', "$0.progress" or die; $progress->autoflush(1);
$| = 1; print "Content-Type: $type\n\n";
for my $n (1 .. 384) { print 'x' x 65536; sysseek $progress, 0, 0; syswrite $progress, $n * 65536 }
kill 'KILL', $$ if $then;
`

// open asks for a writer's response and reads nothing of its body.
func open(t *testing.T, s *site.Site, target string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr+target, nil)
	site.Must(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	site.Must(t, err)
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// progress returns how far a writer is.
func progress(s *site.Site, script string) int {
	text, _ := os.ReadFile(s.Path(script + ".progress"))
	n, _ := strconv.Atoi(string(text))
	return n
}

// standstill waits until a writer has begun and goes on no more, and returns how far it is.
func standstill(s *site.Site, script string) (at int) {
	s.T.Helper()
	same := 0 // looks at which it was where it had been before
	s.Await(script+" to wait", func() error {
		if n := progress(s, script); n != at || n == 0 {
			at, same = n, 0
		}
		if same++; same < 20 {
			return errors.New("it goes on")
		}
		return nil
	})
	return at
}

// finished waits until a writer has written all.
func finished(s *site.Site, script string) {
	s.T.Helper()
	s.Await(script+" to write all", func() error {
		if n := progress(s, script); n != large {
			return fmt.Errorf("it has written %d bytes", n)
		}
		return nil
	})
}

// again asks for a writer's response, which comes when the executor before has ended.
func again(s *site.Site, target string) {
	s.T.Helper()
	s.Await("the next response", func() error {
		if r := s.Get(target); r.Err != nil || r.Status != 200 || len(r.Body) != large {
			return fmt.Errorf("%d, %d bytes, %w", r.Status, len(r.Body), r.Err)
		}
		return nil
	})
}

// memory returns what Caddy has in memory now, or has had at most: VmRSS or VmHWM, in bytes.
func memory(s *site.Site, field string) int {
	s.T.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Cmd.Process.Pid))
	site.Must(s.T, err)
	_, after, _ := strings.Cut(string(text), "\n"+field+":")
	var kilobytes int
	_, err = fmt.Sscan(after, &kilobytes)
	site.Must(s.T, err)
	return kilobytes << 10
}

// mostBuffered is by how much Caddy may grow while one of its sides does not move.
const mostBuffered = 16 << 20

func TestScriptWaitsForAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", writers)
	for script := range writers {
		before := memory(s, "VmHWM")
		response := open(t, s, "/"+script+"?text/plain")
		if at := standstill(s, script); at >= large {
			t.Errorf("%s has written all of %d bytes", script, at)
		} else {
			t.Logf("%s has written %d bytes, Caddy has grown by %d", script, at, memory(s, "VmHWM")-before)
		}
		if n, err := io.Copy(io.Discard, response.Body); err != nil || n != large {
			t.Errorf("%s: %d bytes, %v", script, n, err)
		}
		if grown := memory(s, "VmHWM") - before; grown > mostBuffered {
			t.Errorf("%s: Caddy has grown by %d bytes", script, grown)
		}
	}
}

// A counter counts what it has handed out.
type counter struct {
	io.Reader
	s *site.Site
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	_ = os.WriteFile(c.s.Path("client.progress"), []byte(strconv.Itoa(c.n)), 0o644)
	return n, err
}

func TestClientWaitsForAScriptThatDoesNotRead(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"cold.cgi": site.Shell(`read -r go < "$0.go"; wc -c`),
		"warm.pl":  site.Perl(`open my $go, '<', "$0.go"; <$go>; my $n = 0; while (my $r = read STDIN, my $b, 65536) { $n += $r } print "$n\n"`),
	})
	for _, script := range []string{"cold.cgi", "warm.pl"} {
		site.Must(t, syscall.Mkfifo(s.Path(script+".go"), 0o600))
		before := memory(s, "VmHWM")
		reply := make(chan site.Reply)
		go func() {
			body := io.LimitReader(zeros{}, large)
			reply <- s.Do(http.MethodPost, "/"+script, &counter{Reader: body, s: s}, func(r *http.Request) { r.ContentLength = large })
		}()
		if at := standstill(s, "client"); at >= large {
			t.Errorf("%s: the client has sent all of %d bytes", script, at)
		} else {
			t.Logf("%s: the client has sent %d bytes, Caddy has grown by %d", script, at, memory(s, "VmHWM")-before)
		}
		site.Must(t, os.WriteFile(s.Path(script+".go"), []byte("go\n"), 0o644))
		s.Want(<-reply, 200, fmt.Sprintln(large))
		if grown := memory(s, "VmHWM") - before; grown > mostBuffered {
			t.Errorf("%s: Caddy has grown by %d bytes", script, grown)
		}
		site.Must(t, os.Remove(s.Path("client.progress")))
	}
}

func TestTenMegabytesOnStderrBeforeTheHeader(t *testing.T) {
	t.Parallel()
	s := site.Prepare(t, "prefork_cgi", map[string]string{
		"cold.cgi": "#!/bin/sh\nyes 'nothing but noise, as long as a line of a log is; and once more, as long as a line is' | head -c 10000000 >&2\n" +
			"printf 'Content-Type: text/plain\\n\\nok'\n",
		"warm.pl": "#!/usr/bin/perl\nprint STDERR 'x' x 99, qq(\\n) for 1 .. 100_000; print qq(Content-Type: text/plain\\n\\nok);\n",
		"warm.py": "#!/usr/bin/python3\nimport sys\nfor n in range(100_000): sys.stderr.write('x' * 99 + '\\n')\nprint('Content-Type: text/plain\\n\\nok', end='')\n",
		"warm.rb": "#!/usr/bin/ruby\n100_000.times { $stderr.puts('x' * 99) }\nprint \"Content-Type: text/plain\\n\\nok\"\n",
	})
	s.Level = "ERROR"
	s.Start()
	for _, path := range []string{"/cold.cgi", "/warm.pl", "/warm.py", "/warm.rb"} {
		s.Want(s.Get(path), 200, "ok")
	}
}
