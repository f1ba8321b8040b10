package prefork

import (
	"context"
	"os"
	"syscall"
	"time"
)

// A Launcher starts processes. It is the seam between the pool and the
// operating system: tests give the pool a fake one.
type Launcher interface {
	// Launch starts cmd and returns when it is ready for calls, has failed, or
	// ctx is done; then whatever was started is killed. The process outlives ctx.
	Launch(ctx context.Context, cmd Command, listener Listener) (Process, error)
}

// A Listener is told what a process says by itself, from setup to its end. Its
// functions are called by several goroutines and must not block for long. Each
// may be nil.
type Listener struct {
	// Output has a line that the script wrote to setup's stderr, after setup or
	// during a setup that succeeds; what a failing setup writes is in the
	// [SetupError] instead.
	Output func(line string)

	// Loaded has absolute paths of files that the process, or an executor of it,
	// has loaded. What setup has loaded is told before Launch returns, whatever
	// it returns. A v1 library does not tell.
	Loaded func(files []string)

	// Missed has absolute paths where nothing was: a file that comes into being there
	// would be loaded instead of another. It is told of setup, before Launch returns.
	Missed func(paths []string)

	// Noted has something that an administrator should know.
	Noted func(note string)
}

func (l Listener) output(line string) {
	if l.Output != nil {
		l.Output(line)
	}
}

func (l Listener) loaded(files []string) {
	if l.Loaded != nil && len(files) > 0 {
		l.Loaded(files)
	}
}

func (l Listener) missed(paths []string) {
	if l.Missed != nil && len(paths) > 0 {
		l.Missed(paths)
	}
}

func (l Listener) noted(note string) {
	if l.Noted != nil {
		l.Noted(note)
	}
}

// A Process is a script that is ready for calls. Whoever launched it owns it and
// must call Stop or Kill.
type Process interface {
	// Info says what was started.
	Info() Info

	// Park has an executor made that will wait for its request. It may be used for so
	// many requests, one after the other, if the script's library can do that. An
	// error that wraps [ErrGone] means that another process may be asked.
	//
	// ctx bounds the making, and its deadline also what is left of that at Start. If it is
	// done already nothing is waited for; its error means that there is something.
	Park(ctx context.Context, requests int) (Executor, error)

	// Stop asks the process to end once the executors that it has made have ended.
	// It makes no more.
	Stop()

	// Kill ends the process now. Calls that run are not touched.
	Kill()

	// Exited is closed when the process is gone.
	Exited() <-chan struct{}
}

// An Executor waits for a request: a process that is parked, or under cold service
// the place of one. Its owner must call Start or Dismiss, once.
type Executor interface {
	// Start hands over the request. ctx bounds that and nothing later. An error that
	// wraps [ErrGone] means that nothing of the request was used and another executor
	// may be asked; so does one that wraps [ForkError], if the executor was made for
	// somebody else. After any error the executor has been dismissed.
	//
	// If there is no error, ended is called once, when the execution is over, perhaps
	// before Start returns, by a goroutine that others wait for: it must not block.
	Start(ctx context.Context, req Request, ended Ended) (Call, error)

	// Dismiss ends the executor, which has no request. It does not wait for the end.
	Dismiss()

	// WhenGone has f called once nothing is left of the process, at once if that is so. f must
	// not block. It is called before Start and Dismiss, and once.
	WhenGone(f func())

	// Memory is the resident memory of the process in bytes; 0 if not known.
	Memory() int64
}

// Ended is told how an execution has ended: the executor has been reaped, or is next
// and waits for another request, which is the owner's then.
type Ended func(status Status, next Executor)

// A Call is one execution. Its owner must close the streams.
type Call interface {
	// Stdout and Stderr are our ends of pipes; the other ends are the executor's
	// descriptors 1 and 2.
	Stdout() *os.File
	Stderr() *Unread

	// PID is the executor's process number; under protocol v1 the monitor's,
	// if the executor had ended before anybody asked. Ask once the executor has
	// written something: from then on a v1 call sees it end by itself, and does
	// not depend on what the monitor sees.
	PID() int

	// Interrupt asks the executor to end: the signal goes to its process group; under
	// protocol v1 that is always SIGINT. What it has started ends with it, and its end
	// is told after theirs: its descendants, and whoever is in its group.
	Interrupt(signal syscall.Signal)

	// Kill is Interrupt with SIGKILL.
	Kill()

	// Answered reports, after end-of-file on Stdout, whether the executor has closed
	// that by itself, as one does that has nothing more to say. If not, it has ended,
	// or is about to. If it leaves, nothing of the script runs any more.
	Answered() (answered, leaves bool)

	// Attend has the end told as soon as it comes. For one whose end nobody waits for that
	// may be some milliseconds later, when there is more to do at once.
	Attend()
}

// A Request is what one execution gets of its own.
type Request struct {
	// Stdin becomes descriptor 0; nil is /dev/null. It must be in blocking mode; see
	// [NewInputPipe]. It stays the caller's, who may close it when Start has returned.
	Stdin *os.File

	// Env is the whole environment, as NAME=value.
	Env []string

	// Args follow the script's name; for a warm script they are what its
	// argument list becomes.
	Args []string

	// Extender is asked when a native script asks for more time; nil refuses.
	Extender Extender
}

// An Extender decides whether an execution may go on for so long from now, and says so. It
// may be asked as soon as the request has been handed over, by any goroutine.
type Extender interface{ Extend(more time.Duration) bool }

// Mode is the way in which a script is served.
type Mode string

const (
	// Explicit is warm: the script calls the library at its fork point.
	Explicit Mode = "explicit"
	// Automatic is warm: the library finds the fork point, and the script knows
	// nothing of it.
	Automatic Mode = "automatic"
	// Cold is one exec per request, as CGI always was.
	Cold Mode = "cold"
)

// Warm reports whether start-up is paid once.
func (m Mode) Warm() bool { return m != Cold }

// Memory is what a process has, in bytes; zero where nobody knows.
type Memory struct {
	Resident int64 // all that is in memory
	Own      int64 // of that, what belongs to no file and is shared with nobody but its executors
}

// Info describes a launched process.
type Info struct {
	Mode Mode
	Why  string // this mode was chosen

	Fallback bool // a warm start has been tried in vain, so that the script is cold

	PID     int    // of the server; 0 for a cold script
	Library string // the library in the script and its version, if it says so
	Parks   bool   // executors may wait for long: nothing is looked at when they are made
	Limit   int    // executors at once, if the script says so; else 0
	Memory  Memory // of the server, when it was ready
	Risks   []Risk // what setup has left open that executors would share
	Note    string // what an administrator should look at; empty if all is as it should be
}
