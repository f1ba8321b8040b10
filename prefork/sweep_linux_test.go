package prefork

import (
	"syscall"
	"testing"
	"time"
)

// What an executor does instead of its script: it says that all is written, and then closes its
// output.
const (
	saysWhole = `import fcntl; fcntl.fcntl(1, 1031, 32768)`
	goesOn    = `; [os.close(f) for f in range(3)]; time.sleep(1000)`
)

// Who has said that all is written is taken at its word, and its place in the script's own limit
// is free before the process is gone; its end is told all the same, though nobody waits for it.
func TestWholeOutput(t *testing.T) {
	p, _ := launch(t, peerWith("@settings@", `max_servers=1\0`, "@run@", saysWhole))
	for range 3 {
		r, err := call1(t.Context(), p, Request{Args: []string{"0"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(r.Stdout()); got != "ran\n" {
			t.Errorf("output is %q", got)
		}
		if answered, leaves := r.Answered(); !answered || !leaves {
			t.Errorf("answered %t, leaves %t", answered, leaves)
		}
		if next, err := p.Park(t.Context(), 1); err != nil {
			t.Error(err)
		} else {
			next.Dismiss()
		}
		if status := r.Wait(); status.String() != "0" || status.Usage == nil {
			t.Errorf("status is %+v", status)
		}
		closeStreams(r)
	}
}

// One that says so and goes on keeps its server from nothing, and is ended as any other.
func TestWholeOutputOfOneThatGoesOn(t *testing.T) {
	p, _ := launch(t, peerWith("@run@", `if args[0] == b"stay": `+saysWhole+goesOn))
	stays, err := call1(t.Context(), p, Request{Args: []string{"stay"}})
	if err != nil {
		t.Fatal(err)
	}
	readAll(stays.Stdout())
	if answered, leaves := stays.Answered(); !answered || !leaves {
		t.Errorf("answered %t, leaves %t", answered, leaves)
	}
	time.Sleep(2 * farewell) // it is looked at
	if got := ask(t, p, "", nil, []string{"3"}); got.status.String() != "3" {
		t.Errorf("status is %s", got.status)
	}
	stays.Interrupt(syscall.SIGTERM)
	if status := stays.Wait(); status.Signal != int(syscall.SIGTERM) {
		t.Errorf("status is %+v", status)
	}
	closeStreams(stays)
}

// The output of one that is killed ends, too.
func TestOutputOfAKilledExecutorIsNotWhole(t *testing.T) {
	p, _ := launch(t, peerWith())
	r, err := call1(t.Context(), p, Request{Args: []string{"wait"}})
	if err != nil {
		t.Fatal(err)
	}
	syscall.Kill(r.PID(), syscall.SIGKILL)
	readAll(r.Stdout())
	if answered, _ := r.Answered(); answered {
		t.Error("it has not answered")
	}
	if status := r.Wait(); status.Signal != int(syscall.SIGKILL) {
		t.Errorf("status is %+v", status)
	}
	closeStreams(r)
}

// The end of one that leaves its output to another process is seen, though the output goes on.
func TestExecutorLeavesItsOutputToAnother(t *testing.T) {
	p, _ := launch(t, peerWith("@run@", `
            if os.fork() == 0: time.sleep(1); os._exit(0)`))
	r, err := call1(t.Context(), p, Request{Args: []string{"0"}})
	if err != nil {
		t.Fatal(err)
	}
	if status := r.Wait(); status.String() != "0" {
		t.Errorf("status is %+v", status)
	}
	closeStreams(r)
}

// Nothing of the kind is left of one whose server is gone before anybody has looked at it.
func TestKilledServerOfAnUnwatchedExecutor(t *testing.T) {
	p, _ := launch(t, peerWith())
	r, err := call1(t.Context(), p, Request{Args: []string{"wait"}})
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	<-p.Exited()
	r.Kill()
	if status := r.Wait(); !status.Lost {
		t.Errorf("status is %+v", status)
	}
	closeStreams(r)
}
