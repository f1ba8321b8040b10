package soak

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// A process is one that a signal can be sent to without ever hitting another.
type process struct {
	pid    int
	handle int // pidfd
	server bool
}

// processes returns those of which the command line has a text in it.
func (in *injector) processes(text string) []process {
	var found []process
	caddy := strconv.Itoa(in.run.site.Cmd.Process.Pid)
	for _, line := range leak.Processes(text) {
		number, _, _ := strings.Cut(line, ":")
		pid, err := strconv.Atoi(number)
		if err != nil {
			continue
		}
		handle, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has ended
		}
		// It is still the same one.
		command, _ := os.ReadFile(filepath.Join("/proc", number, "cmdline"))
		if pid == os.Getpid() || number == caddy || !strings.Contains(string(command), text) {
			unix.Close(handle)
			continue
		}
		parent := leak.StatOf(number).Parent
		found = append(found, process{pid, handle, parent == caddy})
	}
	return found
}

func (p process) signal(s syscall.Signal) { _ = unix.PidfdSendSignal(p.handle, s, nil, 0) }

// ended waits for the end of a process, and reports whether it has come.
func (p process) ended(patience time.Duration) bool {
	poll := []unix.PollFd{{Fd: int32(p.handle), Events: unix.POLLIN}}
	for deadline := time.Now().Add(patience); ; {
		n, err := unix.Poll(poll, max(0, int(time.Until(deadline).Milliseconds())))
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

func closeAll(all []process) {
	for _, p := range all {
		unix.Close(p.handle)
	}
}

// end ends a process by a signal, and by SIGKILL if it does not listen.
func (p process) end(by syscall.Signal) bool {
	p.signal(by)
	if p.ended(300 * time.Millisecond) {
		return true
	}
	p.signal(syscall.SIGKILL)
	return p.ended(10 * time.Second)
}

// victims are the processes of a script.
func (in *injector) victims(s *script) []process { return in.processes(in.run.site.Path(s.path)) }

// kill ends one process of a script. If that is its server, setup may have failed by
// it, and be backed off from.
func (in *injector) kill(s *script) {
	victims := in.victims(s)
	defer closeAll(victims)
	if len(victims) == 0 {
		return
	}
	victim := victims[in.client.random.IntN(len(victims))]
	by := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSEGV, syscall.SIGINT}[in.client.random.IntN(5)]
	role, outcomes := "executor", []outcome{"502", brokenOff}
	if victim.server || strings.HasPrefix(s.path, "v1/") { // of which we see only some
		role, outcomes = "server", append(outcomes, "503")
	}
	what := fmt.Sprintf("%s, process %d, by %v", s.path, victim.pid, by)
	e := in.run.model.expect("kill "+what, s, outcomes...)
	in.run.model.fault("kill "+role, what)
	if !victim.end(by) {
		in.run.model.complain("process %d of %s cannot be killed", victim.pid, s.path)
	}
	in.await(s)
	in.run.model.over(e, 0)
}

// killAll ends all processes of a script at once.
func (in *injector) killAll(s *script) {
	e := in.run.model.expect("kill all of "+s.path, s, "502", "503", brokenOff)
	in.run.model.fault("kill all of a script", s.path)
	in.killThese(in.victims(s))
	in.await(s)
	in.run.model.over(e, 0)
}

// killEverything ends all processes of all scripts, and the guard.
func (in *injector) killEverything() {
	e := in.run.model.expect("kill everything", nil, "502", "503", brokenOff)
	in.run.model.fault("kill everything", "all processes of all scripts")
	in.killThese(in.processes(in.run.site.Folder))
	in.killThese(in.guards())
	in.awaitAll()
	in.run.model.over(e, 0)
}

func (in *injector) killThese(all []process) {
	defer closeAll(all)
	for _, p := range all {
		p.signal(syscall.SIGKILL)
	}
	for _, p := range all {
		if !p.ended(10 * time.Second) {
			in.run.model.complain("process %d cannot be killed", p.pid)
		}
	}
}

// stop stops one process of a script for a while. That may cost time and nothing else.
func (in *injector) stop(s *script) {
	victims := in.victims(s)
	defer closeAll(victims)
	if len(victims) == 0 {
		return
	}
	victim := victims[in.client.random.IntN(len(victims))]
	role := map[bool]string{true: "server", false: "executor"}[victim.server]
	in.run.model.fault("stop "+role, fmt.Sprintf("%s, process %d", s.path, victim.pid))
	victim.signal(syscall.SIGSTOP)
	in.pause(500 * time.Millisecond)
	victim.signal(syscall.SIGCONT)
}

// hang asks for the script that never answers.
func (in *injector) hang(*script) {
	h := in.run.hanging
	in.run.model.fault("script hangs", "")
	e := in.run.model.expect("hanging", h, "504")
	if a := in.client.ask(h); a.status != 504 {
		in.run.model.complain("%s: a script that hangs is answered by %d", a, a.status)
	}
	in.run.model.over(e, 0)
}

// guards are the guard of this Caddy.
func (in *injector) guards() []process {
	var own []process
	for _, p := range in.processes("prefork-cgi-guard") {
		if p.server { // a child of this Caddy, and of no other
			own = append(own, p)
		} else {
			unix.Close(p.handle)
		}
	}
	return own
}

// hitGuard kills or stops the guard, which costs nobody anything.
func (in *injector) hitGuard(*script) {
	guards := in.guards()
	if len(guards) == 0 {
		return
	}
	if in.client.random.IntN(2) == 0 {
		in.run.model.fault("kill guard", fmt.Sprint(guards[0].pid))
		in.killThese(guards)
		return
	}
	defer closeAll(guards)
	in.run.model.fault("stop guard", fmt.Sprint(guards[0].pid))
	guards[0].signal(syscall.SIGSTOP)
	in.pause(500 * time.Millisecond)
	guards[0].signal(syscall.SIGCONT)
}
