package prefork

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Numbers that the handover's descriptors have in setup: after 0, 1 and 2, in
// the order in which ends.script lists them.
const (
	listenFD = 3 + iota
	callFD
	watchiFD
	watcheFD
)

// ends holds both sides of everything that crosses to a setup. Each side is
// closed once: the script's when it has been started, ours when setup failed.
type ends struct {
	ours, script []func()

	rendezvous *rendezvous
	call       *socket  // first call; not in ours, since it goes to who makes that call
	sentinel   *os.File // read end: end-of-file when the server is gone
	leash      *os.File // write end: its closing tells the server to quit
	stderr     *os.File // read end

	// stdin has nothing to read, and knows whether somebody has tried. It is for an
	// automatic fork point, and nil for others.
	stdin *bait
	// stdout too, and whether somebody has written to it.
	stdout *os.File // read end
	// given is what descriptors 0, 1 and 2 of the script lead to.
	given [3]string

	listenFD, callFD, watchiFD, watcheFD int // the script's
	stdoutFD, stderrFD                   *os.File
}

// makeEnds makes them; on failure nothing stays open.
func makeEnds(mode Mode) (_ *ends, err error) {
	e := &ends{}
	defer func() {
		if err != nil {
			e.closeScript()
			e.abandon()
		}
	}()
	if e.listenFD, e.rendezvous, err = newRendezvous(); err != nil {
		return nil, err
	}
	e.ours = append(e.ours, e.rendezvous.close)
	e.closesLater(e.listenFD)

	if err = e.makeCall(); err != nil {
		return nil, err
	}
	r, w, err := rawPipe()
	if err != nil {
		return nil, err
	}
	e.sentinel, e.watchiFD = ourEnd(r, "sentinel"), w
	e.ours = append(e.ours, func() { _ = e.sentinel.Close() })
	e.closesLater(w)

	if r, w, err = rawPipe(); err != nil {
		return nil, err
	}
	e.leash, e.watcheFD = ourEnd(w, "leash"), r
	e.ours = append(e.ours, func() { _ = e.leash.Close() })
	e.closesLater(r)
	if err = unix.SetNonblock(r, true); err != nil { // the library looks, and does not wait
		return nil, err
	}

	if e.stderr, e.stderrFD, err = NewPipe(); err != nil {
		return nil, err
	}
	e.script = append(e.script, func() { _ = e.stderrFD.Close() })
	err = e.makeStandard(mode)
	return e, err
}

// makeStandard makes descriptors 0 and 1 of the script. The flag O_APPEND means
// nothing to a pipe; it tells a library which of two duplicates is stdout's.
func (e *ends) makeStandard(mode Mode) (err error) {
	if mode != Automatic {
		e.stdoutFD, err = reopenForAppending(e.stderrFD)
		if err == nil {
			e.script = append(e.script, func() { _ = e.stdoutFD.Close() })
		}
		return err
	}
	if e.stdin, err = newBait(); err != nil {
		return err
	}
	e.ours = append(e.ours, e.stdin.close)
	if e.stdout, e.stdoutFD, err = NewPipe(); err != nil {
		return err
	}
	e.script = append(e.script, func() { _ = e.stdoutFD.Close() })
	fd, err := rawFD(e.stdoutFD)
	if err != nil {
		return err
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_APPEND)
	return err
}

// reopenForAppending opens the write end of a pipe once more.
func reopenForAppending(pipe *os.File) (*os.File, error) {
	fd, err := rawFD(pipe)
	if err != nil {
		return nil, err
	}
	again, err := unix.Open(procFD(fd), unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open a pipe again: %w", err)
	}
	return os.NewFile(uintptr(again), "|1"), nil
}

// makeCall makes the socket of the first call, which is ctl in the native dialect.
func (e *ends) makeCall() (err error) {
	if e.call, e.callFD, err = socketPair(); err == nil {
		e.closesLater(e.callFD)
	}
	return err
}

func (e *ends) closesLater(fd int) {
	e.script = append(e.script, func() { _ = unix.Close(fd) })
}

func (e *ends) closeScript() { closeAll(&e.script) }

// closeSetup closes what only setup and v1 need.
func (e *ends) closeSetup() { closeAll(&e.ours) }

func (e *ends) closeOurs() {
	e.closeSetup()
	_ = e.stderr.Close()
	if e.stdout != nil {
		_ = e.stdout.Close()
	}
}

// abandon closes ours when no first call will be made.
func (e *ends) abandon() {
	if e.call != nil {
		_ = e.call.Close()
	}
	e.closeOurs()
}

func closeAll(list *[]func()) {
	for _, end := range *list {
		end()
	}
	*list = nil
}

// spawn starts the script with the script's ends, and closes those here.
func (e *ends) spawn(cmd Command, mode Mode) (*child, error) {
	defer e.closeScript()
	var stdin *os.File
	if e.stdin != nil {
		stdin = e.stdin.theirs
	}
	fds := make([]int, 0, watcheFD+1)
	for i, f := range []*os.File{stdin, e.stdoutFD, e.stderrFD} {
		fd, err := orNull(f)
		if err != nil {
			return nil, err
		}
		fds = append(fds, fd)
		if e.given[i], err = os.Readlink(procFD(fd)); err != nil {
			return nil, err
		}
	}
	fds = append(fds, e.listenFD, e.callFD, e.watchiFD, e.watcheFD)

	h := handover{
		start: time.Now(), listen: listenFD, call: callFD, watchi: watchiFD, watche: watcheFD,
		mode: mode, preload: strings.Join(cmd.Preload, ","), reuse: cmd.Reuse, hidden: names(cmd.tunes),
		bell: cmd.bell,
	}
	if cmd.Frozen {
		h.start = farFuture
	}
	env := append(slices.Concat(cmd.Env, cmd.tunes), HandoverVariable+"="+h.String())
	return cmd.start(cmd.Args, func(program string, argv []string) (*child, error) {
		return spawn(program, argv, cmd.dir(), env, fds)
	})
}

// names returns the names of variables, with commas.
func names(variables []string) string {
	list := make([]string, len(variables))
	for i, variable := range variables {
		list[i], _, _ = strings.Cut(variable, "=")
	}
	return strings.Join(list, ",")
}
