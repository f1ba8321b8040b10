package prefork

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A granter grants all.
type granter chan time.Duration

func (g granter) Extend(more time.Duration) bool { g <- more; return true }

// asking is a library whose executor asks for more time before it sleeps: itself, and by a
// child that has left its group.
var asking = strings.Replace(peerWith(), `if args[0] == b"wait": time.sleep(1000)`, `
            bell = [w[7:] for w in words if w.startswith("extend=")][0]
            def ask(ms):
                s = socket.socket(socket.AF_UNIX)
                s.connect("\0" + bell); s.sendall(struct.pack(">I", ms))
                return s.recv(9)
            r, w = os.pipe()
            if os.fork() == 0: os.setpgid(0, 0); os.write(w, ask(1)); os._exit(0)
            os.write(1, b"%s %r %r %r\n" % (bell.encode(), ask(2500), ask(0), os.read(r, 9)))
            time.sleep(1000)`, 1)

func TestOnlyExecutorsAreGivenMoreTime(t *testing.T) {
	p, _ := launch(t, asking)
	granted := make(granter, 9)
	c, err := call1(t.Context(), p, Request{Env: testEnv, Args: []string{"0"}, Extender: granted})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStreams(c)
	var text []byte
	for strings.Count(string(text), "\n") < 2 {
		piece := make([]byte, 999)
		n, errRead := c.Stdout().Read(piece)
		if errRead != nil {
			t.Fatalf("%q, %v", text, errRead)
		}
		text = append(text, piece[:n]...)
	}
	name, answers, _ := strings.Cut(strings.TrimPrefix(string(text), "ran\n"), " ")
	if answers != `b'\x01' b'\x00' b'\x00'`+"\n" {
		t.Errorf("answers are %s", answers)
	}
	if more := <-granted; more != 2500*time.Millisecond || len(granted) > 0 {
		t.Errorf("granted %v, and %d more", more, len(granted))
	}
	silent, err := net.Dial("unix", "@"+name) // who says nothing is in nobody's way
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	stranger, err := net.Dial("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	answer := make([]byte, 9)
	_, _ = stranger.Write([]byte{0, 0, 1, 0})
	if n, err := stranger.Read(answer); n != 1 || answer[0] != 0 {
		t.Errorf("a stranger is told %d, %v", answer[:n], err)
	}
	c.Interrupt(syscall.SIGTERM)
	c.Wait()
	p.Stop()
	<-p.Exited()
	if _, err := net.Dial("unix", "@"+name); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("without a server somebody listens: %v", err)
	}
}
