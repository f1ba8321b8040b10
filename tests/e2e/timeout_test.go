package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// timed is a configuration in which each limit is another, and so is each error.
const timed = `prefork_cgi {
	max_concurrent 1
	parked off
	first_byte_timeout 2s
	silence_timeout 2500ms
	run_timeout 6s
	body_timeout 1500ms
	stop_signal SIGHUP
	grace_period 200ms
}`

// noted returns a Perl script that notes its process number, answers at once if it has a
// query, and else does body.
func noted(body string) string {
	return `#!/usr/bin/perl
use strict; use warnings; use POSIX ();
$| = 1;
sub note { open my $f, '>>', "$0.pids" or die; syswrite $f, "$$\n" }
if ($ENV{QUERY_STRING}) { print "Content-Type: text/plain\n\nquick"; exit }
note();
` + body
}

// exceeded waits until the log says that the script has exceeded a limit. From then on nothing of it
// runs, and the only slot is free.
func exceeded(t *testing.T, s *site.Site, script, who, limit string) map[string]any {
	t.Helper()
	entry := s.AwaitEntry("script has ended", func(e map[string]any) bool {
		return e["script"] == s.Path(script) && e["error"] != nil
	})
	if text := fmt.Sprint(entry["error"]); !strings.Contains(text, who+" exceeded the "+limit) {
		t.Errorf("error is %q, not of %s", text, limit)
	}
	gone(t, s, script)
	s.Want(s.Get("/"+script+"?quick"), 200, "quick")
	return entry
}

// gone checks that no process runs that a script has noted.
func gone(t *testing.T, s *site.Site, script string) (n int) {
	t.Helper()
	text, err := os.ReadFile(s.Path(script + ".pids"))
	site.Must(t, err)
	for pid := range strings.FieldsSeq(string(text)) {
		if number, _ := strconv.Atoi(pid); site.Alive(number) {
			t.Errorf("%s: process %s still runs", script, pid)
		}
		n++
	}
	return n
}

func TestEachLimitEndsTheScriptAndNamesItself(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, timed, map[string]string{
		"header.pl": noted(`sleep 30;`),
		"silent.pl": noted(`print "Content-Type: text/plain\n\nsome"; sleep 30;`),
		"long.pl":   noted(`print "Content-Type: text/plain\n\n"; for (1..300) { print 'x'; select undef, undef, undef, 0.1 }`),
		"rest.pl":   noted(`print "Content-Type: text/plain\n\nall"; close STDOUT; POSIX::close($_) for 1, 2; sleep 30;`),
		"polite.pl": noted(`$SIG{HUP} = sub { exit 3 }; sleep 30;`),
	})
	for script, want := range map[string]struct {
		status  int
		broken  bool // off, after the header
		limit   string
		process string // how it ended
	}{
		"header.pl": {504, false, "first_byte_timeout of 2s", "SIGHUP"},
		"polite.pl": {504, false, "first_byte_timeout of 2s", "3"},
		"silent.pl": {200, true, "silence_timeout of 2.5s", "SIGHUP"},
		"long.pl":   {200, true, "run_timeout of 6s", "SIGHUP"},
		"rest.pl":   {200, false, "silence_timeout of 2.5s", "SIGHUP"},
	} {
		t.Run(script, func(t *testing.T) {
			r := s.Get("/" + script)
			if r.Status != want.status || (r.Err != nil) != want.broken {
				t.Errorf("got %d %q, error %v", r.Status, r.Body, r.Err)
			}
			entry := exceeded(t, s, script, "the script", want.limit)
			if entry["exit_status"] != want.process || entry["broken_off"] != want.broken {
				t.Errorf("it ended with %v", entry)
			}
		})
	}
}

// Nobody reads the script's output while the client takes none of it.
func TestRunTimeoutNeedsNoReader(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, timed, map[string]string{
		"endless.pl": noted(`print "Content-Type: text/plain\n\n"; print 'x' x 65536 while 1`),
	})
	conn, err := net.Dial("tcp", s.Addr)
	site.Must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET /endless.pl HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	s.Await("the script", func() error { _, err := os.Stat(s.Path("endless.pl.pids")); return err })
	s.Await("the free slot", func() error {
		if r := s.Get("/endless.pl?quick"); r.Body != "quick" {
			return fmt.Errorf("got %d", r.Status)
		}
		return nil
	})
	gone(t, s, "endless.pl")
	conn.Close()
	exceeded(t, s, "endless.pl", "the script", "run_timeout of 6s")
}

const readsAll = `my $n = 0; while ((my $got = read STDIN, my $part, 65536) > 0) { $n += $got; select undef, undef, undef, $ENV{HTTP_PAUSE} || 0 }
print "Content-Type: text/plain\n\n$n";`

func TestClientThatStopsSendingIsToBlame(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, timed, map[string]string{
		"reads.pl":   noted(readsAll),
		"ignores.pl": noted(`print "Content-Type: text/plain\n\nsome"; for (1..300) { print 'x'; select undef, undef, undef, 0.1 }`),
	})
	for _, head := range []string{"Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"} {
		r, err := stall(t, s, "/reads.pl", head)
		site.Must(t, err)
		if r.StatusCode != 408 {
			t.Errorf("%q: got %d", head, r.StatusCode)
		}
	}
	exceeded(t, s, "reads.pl", "the client", "body_timeout of 1.5s")
	r, err := stall(t, s, "/ignores.pl", "Content-Length: 10\r\n\r\nabc")
	site.Must(t, err)
	if text, err := io.ReadAll(r.Body); r.StatusCode != 200 || err == nil {
		t.Errorf("got %d, complete: %s", r.StatusCode, text)
	}
	exceeded(t, s, "ignores.pl", "the client", "body_timeout of 1.5s")
}

// stall sends a request whose body stops in its midst, and returns the answer.
func stall(t *testing.T, s *site.Site, path, rest string) (*http.Response, error) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	site.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	fmt.Fprint(conn, "POST "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\n"+rest)
	return http.ReadResponse(bufio.NewReader(conn), nil)
}

// A slow sender is alive, and so is a slow reader.
func TestSlowBodiesAreWaitedFor(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, timed, map[string]string{"slow.pl": noted(readsAll), "reader.pl": noted(readsAll)})
	ours, theirs := io.Pipe()
	go func() {
		for range 10 { // three seconds in all
			time.Sleep(300 * time.Millisecond)
			fmt.Fprint(theirs, "x")
		}
		theirs.Close()
	}()
	s.Want(s.Do(http.MethodPost, "/slow.pl", ours, func(r *http.Request) { r.ContentLength = 10 }), 200, "10")
	s.Want(s.Do(http.MethodPost, "/reader.pl", strings.NewReader(strings.Repeat("x", 10<<16)), func(r *http.Request) {
		r.Header.Set("Pause", "0.3")
	}), 200, strconv.Itoa(10<<16))
}

// obstinate are scripts that ignore what asks them to end, and so do two children and their children; one pair
// is in a session of its own.
var obstinate = map[string]string{
	"warm.pl": noted(`$SIG{INT} = $SIG{TERM} = $SIG{HUP} = 'IGNORE';
for my $way (0, 1) { next if fork; POSIX::setsid() if $way; fork; note(); sleep 60 while 1 }
sleep 60 while 1;`),
	"cold.cgi": `#!/bin/sh
[ "$QUERY_STRING" ] && { printf 'Content-Type: text/plain\n\nquick'; exit; }
trap '' INT TERM HUP
export P="$0.pids"; echo $$ >> $P
family='echo $$ >> "$P"; sh -c "echo \$\$ >> \"\$P\"; while :; do sleep 60; done" & while :; do sleep 60; done'
sh -c "$family" & setsid sh -c "$family" & while :; do sleep 60; done
`,
}

func TestStubbornScriptsGoWithAllTheyHaveStarted(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, timed, obstinate)
	for script := range obstinate {
		t.Run(script, func(t *testing.T) {
			s.Want(s.Get("/"+script), 504, "")
			if entry := exceeded(t, s, script, "the script", "first_byte_timeout of 2s"); entry["exit_status"] != "SIGKILL" {
				t.Errorf("it ended with %v", entry)
			}
			if n := gone(t, s, script); n != 5 {
				t.Errorf("%d processes were started, not 5", n)
			}
		})
	}
}

// asks are scripts that ask for more time, and what they answer.
var asks = map[string]string{
	"perl.pl": `#!/usr/bin/perl
use strict; use warnings; use Proc::Prefork::Interp qw(prefork_initialisation_complete prefork_extend);
print STDERR "in setup: ", (prefork_extend(5) ? 'yes' : 'no'), "\n";
prefork_initialisation_complete(); $| = 1;
my @granted = map { prefork_extend($_) ? 'yes' : 'no' } 5, 7200, 0;
my $child = open my $pipe, '-|'; if (!$child) { print prefork_extend(5) ? 'yes' : 'no'; exit } push @granted, <$pipe>;
select undef, undef, undef, 3;
print "Content-Type: text/plain\n\n@granted"; print join ',', grep { /PREFORK/ } %ENV; select undef, undef, undef, $ENV{QUERY_STRING} || 0;
`,
	"python.py": `#!/usr/bin/python3
import os, sys, time, prefork_interp
prefork_interp.prefork_initialisation_complete()
granted = ["yes" if prefork_interp.extend(n) else "no" for n in (5, 7200, 0)]
r, w = os.pipe()
if os.fork() == 0: os.write(w, b"yes" if prefork_interp.extend(5.5) else b"no"); os._exit(0)
granted.append(os.read(r, 9).decode())
time.sleep(3)
print("Content-Type: text/plain\n\n" + " ".join(granted) + ",".join(n for n in os.environ if "PREFORK" in n), end="", flush=True)
time.sleep(float(os.environ["QUERY_STRING"] or 0))
`,
	"ruby.rb": `#!/usr/bin/ruby
require 'prefork_interp'
PreforkInterp.prefork_initialisation_complete
granted = [5, 7200, 0].map { |n| PreforkInterp.extend(n) ? 'yes' : 'no' }
granted << IO.popen('-') { |child| child ? child.read : (print(PreforkInterp.extend(5.5) ? 'yes' : 'no'); exit!(0) if $stdout.flush) }
sleep 3
print "Content-Type: text/plain\n\n", granted.join(' '), ENV.keys.grep(/PREFORK/).join(',')
$stdout.flush; sleep ENV['QUERY_STRING'].to_f
`,
}

func TestScriptMayAskForMoreTime(t *testing.T) {
	s := site.Serve(t, `prefork_cgi {
	first_byte_timeout 2s
	silence_timeout 2s
	run_timeout 2s
	grace_period 200ms
}`, asks)
	for script := range asks {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			s.Want(s.Get("/"+script), 200, "yes no no yes")
			// What has been granted ends too.
			if r := s.Get("/" + script + "?30"); r.Err == nil || r.Body != "yes no no yes" {
				t.Errorf("got %q, error %v", r.Body, r.Err)
			}
			s.AwaitEntry("script has ended", func(e map[string]any) bool {
				return e["script"] == s.Path(script) && strings.Contains(fmt.Sprint(e["error"]), "exceeded the ")
			})
		})
	}
}
