package soak

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// closing is how long after a reload the server before it may close connections:
// those of requests that were under way.
const closing = 5 * time.Second

// reload loads a configuration. It may cost connections that nobody has accepted, or
// that are kept: Caddy closes those, whatever is configured.
func (in *injector) reload(config string) error {
	e := in.run.model.expect("reload", nil, noAnswer)
	defer in.run.model.over(e, closing)
	return in.run.load(config)
}

// changeLimits loads the same with other limits.
func (in *injector) changeLimits() {
	in.run.limits.maxConcurrent = 2 + in.client.random.IntN(5)
	in.run.model.fault("reload with other limits", fmt.Sprintf("max_concurrent %d", in.run.limits.maxConcurrent))
	in.must(in.reload(in.run.configure()))
}

// changeIdentity loads the same with another environment: every process is replaced.
func (in *injector) changeIdentity() {
	version := in.run.model.config.begin(false)
	in.run.model.fault("reload with another environment", fmt.Sprintf("version %d", version))
	in.must(in.reload(in.run.configure()))
	in.run.model.config.end()
	in.awaitAll()
}

// failToLoad loads what cannot be: it cannot be read, or is wrong, or fails when it has
// already begun, since somebody else listens on its second address.
func (in *injector) failToLoad() {
	good := in.run.configure()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		in.must(err)
		return
	}
	defer taken.Close()
	kind, bad := "reload that fails", ""
	switch in.client.random.IntN(3) {
	case 0:
		bad = strings.Replace(good, "queue 200", "no_such_thing 200", 1)
	case 1:
		bad = strings.Replace(good, "reload stale", "reload sometimes", 1)
	case 2:
		kind = "reload that fails at the end"
		bad = good + "\n}\nhttp://" + taken.Addr().String() + " {\n"
	}
	in.run.model.fault(kind, "")
	if err := in.reload(bad); err == nil {
		in.run.model.complain("a configuration that is wrong was loaded")
	}
	in.run.site.Config = good
}

// takeDescriptors lets Caddy run out of descriptors for a while.
func (in *injector) takeDescriptors() {
	pid := in.run.site.Cmd.Process.Pid
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		in.must(err)
		return
	}
	var old unix.Rlimit
	in.must(unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old))
	room := in.client.random.IntN(20)
	in.run.model.fault("run out of descriptors", fmt.Sprintf("room for %d", room))
	e := in.run.model.expect("too few descriptors", nil, "500", "502", "503", "404", brokenOff, noAnswer)
	in.must(unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(len(open) + room), Max: old.Max}, nil))
	in.pause(500 * time.Millisecond)
	in.must(unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil))
	in.awaitAll()
	in.run.model.over(e, 0)
}
