package prefork

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// peerScript is a script with a library of its own, in as few words as the protocol
// allows; faults go where @...@ stands.
const peerScript = `#!/usr/bin/python3
import array, os, socket, struct, sys, time
# What marks it as explicit: prefork_initialisation_complete
name = "prefork_initialisation_complete"
words = os.environ.pop("PREFORK_INTERP").split(" ")
assert words[2] == "n1,explicit", words
listen, call, watchi, watche = map(int, words[1].split(","))
for fd in (listen, watchi, watche): os.close(fd)
ctl = socket.socket(fileno=call)
def tell(kind, payload=b""): ctl.sendall(kind + struct.pack(">I", len(payload)) + payload)
def read(s, n):
    b = b""
    while len(b) < n:
        more = s.recv(n - len(b))
        if not more: os._exit(0)
        b += more
    return b
def receive():
    data, anc, *_ = ctl.recvmsg(1, socket.CMSG_SPACE(4))
    return array.array("i", anc[0][2])[0]
@before@
tell(b"PFN\n", b"library=peer 1\0fds=%d\0" % ctl.fileno() + b"@settings@")
@after@
pids = {}
while True:
    kind, n = struct.unpack(">4sI", read(ctl, 8))
    id = read(ctl, n)
    if kind == b"fork":
        fds = [receive() for _ in range(4)]
        @fork@
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            s = socket.socket(fileno=fds[0])
            @executor@
            s.sendall(b"PFI\n\0\0\0\0")
            data, anc, *_ = s.recvmsg(1, socket.CMSG_SPACE(4))
            if not data: os._exit(0)
            fds[1:2] = array.array("i", anc[0][2]).tolist() + fds[1:1]
            args = (b"\0" + read(s, struct.unpack(">I", read(s, 4))[0])).split(b"\0\0", 1)[1].split(b"\0")
            for i in range(3): os.dup2(fds[i + 1], i)
            for fd in fds: os.close(fd)
            ctl.close()
            os.write(1, b"ran\n")
            @run@
            if args[0] == b"wait": time.sleep(1000)
            os._exit(int(args[0] or 0))
        for fd in fds: os.close(fd)
        pids[id] = pid
    elif kind == b"reap":
        if id in pids:
            _, status, used = os.wait4(pids.pop(id), 0)
            @done@
            tell(b"done", id + struct.pack(">IQQQ", status, 1000, 2000, used.ru_maxrss << 10))
`

// peerWith returns the script with faults: pairs of a place and what stands there.
func peerWith(faults ...string) string {
	r := make([]string, 0, len(faults)+14)
	r = append(r, faults...)
	for _, place := range []string{"@before@", "@settings@", "@after@", "@fork@", "@executor@", "@run@", "@done@"} {
		r = append(r, place, map[bool]string{true: "", false: "pass"}[place == "@settings@"])
	}
	return strings.NewReplacer(r...).Replace(peerScript)
}

func TestNativeCall(t *testing.T) {
	p, _ := launch(t, peerWith())
	if info := p.Info(); info.Mode != Explicit || info.Library != "peer 1" || info.PID == 0 || len(info.Risks) > 0 {
		t.Errorf("info is %+v", info)
	}
	for _, code := range []string{"0", "3", "255"} {
		got := ask(t, p, "", nil, []string{code})
		if got.stdout != "ran\n" || got.status.String() != code {
			t.Errorf("got %q, status %s", got.stdout, got.status)
		}
		if used := got.status.Usage; used == nil || used.User != time.Millisecond || used.System != 2*time.Millisecond || used.PeakMemory < 1<<20 {
			t.Errorf("usage is %+v", used)
		}
	}
}

// Whatever a library does wrong, no call is stuck and nothing is left.
func TestFaultyNativeLibrary(t *testing.T) {
	for name, c := range map[string]struct {
		place, fault string
		want         string // of the error; empty: of the status
		dead         bool   // the server
	}{
		"garbage on ctl":        {"@done@", `ctl.sendall(b"garbage!" * 9)`, "", true},
		"a huge message":        {"@done@", `ctl.sendall(b"note\xff\xff\xff\xff")`, "", true},
		"done for nobody":       {"@done@", `tell(b"done", struct.pack(">IIQQQ", 99, 0, 0, 0, 0))`, "", true},
		"done too short":        {"@done@", `tell(b"done", id)`, "", true},
		"fork fails":            {"@fork@", `[os.close(f) for f in fds]; tell(b"fail", id + b"no more processes"); continue`, "cannot fork: no more processes", false},
		"server dies at fork":   {"@fork@", `os._exit(3)`, ErrGone.Error(), true},
		"executor dies at once": {"@executor@", `os._exit(0)`, ErrGone.Error(), false},
		"executor is no library": {
			"@executor@", `s.sendall(b"HTTP/1.1"); os._exit(0)`,
			"greeting is", false,
		},
		"executor takes nothing": {"@executor@", `s.sendall(b"PFI\n\0\0\0\0"); os._exit(0)`, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := launch(t, peerWith(c.place, c.fault))
			got, err := tryAsk(t, p, "", nil, []string{"0"})
			switch {
			case name == "executor takes nothing": // it may end before the request is sent, or after
			case c.want == "" && (err != nil || !got.status.Lost):
				t.Errorf("status is %+v, error %v", got.status, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error is %v, want %s", err, c.want)
			}
			if c.dead {
				<-p.Exited()
			}
		})
	}
}

// What cannot be understood before it is ready has the script served cold.
func TestFaultyNativeSetup(t *testing.T) {
	for name, c := range map[string]struct{ fault, why string }{
		"unknown message": {`tell(b"what"); time.sleep(100)`, `message "what" is not known`},
		"garbage":         {`ctl.sendall(b"\xff" * 100); time.sleep(100)`, "limit"},
		"half a string":   {`tell(b"file", b"/a"); time.sleep(100)`, "does not end in NUL"},
		"cold":            {`tell(b"cold", b"I would rather not"); os._exit(0)`, "I would rather not"},
		"ends":            {`os._exit(0)`, "ended before its fork point"},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := launch(t, peerWith("@before@", c.fault))
			if info := p.Info(); info.Mode != Cold || !strings.Contains(info.Note, c.why) {
				t.Errorf("mode is %s, %q", info.Mode, info.Note)
			}
		})
	}
}

func TestNativeLimitIsKept(t *testing.T) {
	p, _ := launch(t, peerWith("@settings@", `max_servers=2\0`))
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if got := ask(t, p, "", nil, []string{"0"}); got.status.String() != "0" {
				t.Errorf("status is %s", got.status)
			}
		})
	}
	all.Wait()
	first, _ := begin(t, p, "wait")
	second, _ := begin(t, p, "wait")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Park(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third call: %v", err)
	}
	for _, r := range []running{first, second} {
		r.Kill()
		if status := r.Wait(); status.Signal != int(syscall.SIGKILL) {
			t.Errorf("status is %s", status)
		}
	}
}

// An executor that is killed while it is parked, or that nobody wants, is reaped without
// anybody asking for it: its place is free then.
func TestParkedNativeExecutorEnds(t *testing.T) {
	p, _ := launch(t, peerWith("@settings@", `max_servers=1\0`))
	killed, err := p.Park(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	for pid == 0 { // it has not been forked
		pid = onlyChild(p.Info().PID)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	unwanted, err := p.Park(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	unwanted.Dismiss()
	if _, err := killed.Start(t.Context(), Request{}, nil); !errors.Is(err, ErrGone) {
		t.Errorf("error is %v", err)
	}
	if got := ask(t, p, "", nil, []string{"0"}); got.status.String() != "0" {
		t.Errorf("status is %s", got.status)
	}
}

// What must not wait does not.
func TestNativeParkAtOnce(t *testing.T) {
	p, _ := launch(t, peerWith("@settings@", `max_servers=1\0`))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	executor, err := p.Park(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer executor.Dismiss()
	if _, err := p.Park(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

// A client that leaves before the executor has said anything costs nothing but
// that executor.
func TestNativeCallIsGivenUp(t *testing.T) {
	p, folder := launch(t, peerWith("@executor@", `time.sleep(0.2)`))
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := call1(ctx, p, Request{Args: []string{"0"}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
		cancel()
	}
	if got := ask(t, p, "", nil, []string{"0"}); got.status.String() != "0" {
		t.Errorf("status is %s", got.status)
	}
	if left := leak.Processes(folder); len(left) != 1 {
		t.Errorf("beside the server there are %q", left)
	}
}

// The status is lost with the server; the executor is not.
func TestKilledNativeServer(t *testing.T) {
	p, _ := launch(t, peerWith())
	r, _ := begin(t, p, "wait")
	p.Kill()
	<-p.Exited()
	if syscall.Kill(r.PID(), 0) != nil {
		t.Error("the executor has not outlived the server")
	}
	r.Interrupt(syscall.SIGTERM)
	if status := r.Wait(); !status.Lost {
		t.Errorf("status is %+v", status)
	}
	if _, err := p.Park(t.Context(), 1); !errors.Is(err, ErrGone) {
		t.Errorf("error is %v", err)
	}
}
