package prefork

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

//go:embed guard.sh
var guardScript string

// guardPatience is how long the guard may leave its pipe full before another
// takes its place. A line is 12 bytes and the pipe holds 64 KiB, so it is full
// only when the guard was stopped.
const guardPatience = time.Second

// A guard is a shell that blocks in read while we live, and ends what is left of
// our sessions when we are killed. Warm scripts notice our death by themselves;
// the guard is for what does not: cold scripts, a setup that hangs, executors
// that ignore SIGINT, and all that they have started.
//
// It runs while something holds it, so that idle pools go to no process at all.
// Without a shell, or when it is killed, everything works; only the net is gone
// until the next process starts.
type guard struct {
	mu       sync.Mutex
	holders  int
	sessions map[int]int // how often each is watched
	shell    *child
	lines    *os.File // our end of its stdin; nil when there is none
}

// hold keeps the guard running until release.
func (g *guard) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holders++
	g.ensure()
}

// release gives up one hold.
func (g *guard) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holders--
	if g.holders == 0 {
		g.stop()
	}
}

// cover watches the session that a child leads until the child is reaped.
func (g *guard) cover(c *child) {
	c.atEnd = func() { g.forget(c.pid) }
	g.watch(c.pid)
}

// watch adds a session.
func (g *guard) watch(sid int) { g.change('+', sid) }

// forget undoes one watch. It is called before the number can be used again.
func (g *guard) forget(sid int) { g.change('-', sid) }

func (g *guard) change(op byte, sid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if op == '+' {
		g.sessions[sid]++
		if g.sessions[sid] > 1 {
			return
		}
	} else {
		g.sessions[sid]--
		if g.sessions[sid] > 0 {
			return
		}
		delete(g.sessions, sid)
	}
	if g.lines == nil || g.tell(op, sid) != nil {
		g.ensure() // a new one learns all sessions at its start
	}
}

// tell writes one line. A failure stops this shell.
func (g *guard) tell(op byte, sid int) error {
	_ = g.lines.SetWriteDeadline(time.Now().Add(guardPatience))
	_, err := fmt.Fprintf(g.lines, "%c %d\n", op, sid)
	if err != nil {
		g.shell.doom(9)
		g.stop()
	}
	return err
}

// ensure starts a shell if one is wanted and none runs.
func (g *guard) ensure() {
	if g.holders == 0 || g.lines != nil {
		return
	}
	ours, theirs, err := NewInputPipe()
	if err != nil {
		return
	}
	defer theirs.Close()
	stdin, errStdin := orNull(theirs)
	nothing, err := orNull(nil)
	if err = errors.Join(err, errStdin); err == nil {
		g.shell, err = spawn("/bin/sh", []string{"prefork-cgi-guard", "-c", guardScript}, "/",
			[]string{"PATH=/usr/bin:/bin"}, []int{stdin, nothing, nothing})
	}
	if err != nil {
		_ = ours.Close()
		return
	}
	g.lines = ours
	go g.shell.wait() // until its stdin is closed
	for sid := range g.sessions {
		if g.tell('+', sid) != nil {
			return
		}
	}
}

// stop closes the shell's stdin. What it still watches it ends.
func (g *guard) stop() {
	if g.lines != nil {
		_ = g.lines.Close()
		g.lines = nil
	}
}
