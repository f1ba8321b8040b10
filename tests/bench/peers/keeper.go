package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long servers may take to end before they are killed.
const patience = 10 * time.Second

// A keeper starts servers and ends them, and all that they have started: also what
// has made a session of its own, as daemons do. What loses its parent becomes a
// child of this process, where it can be found, and where its number is nobody
// else's until it has been waited for.
type keeper struct {
	log *os.File // what the servers say
	env []string // what they get beside this process's environment
}

// newKeeper makes a keeper whose servers write to the file log, and have variables
// env.
func newKeeper(log string, env ...string) (*keeper, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("cannot adopt orphans: %w", err)
	}
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	return &keeper{file, env}, nil
}

// start starts a program and returns its process number.
func (k *keeper) start(args ...string) (pid int, err error) {
	program, err := find(args[0])
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(program, args[1:]...)
	cmd.Env = append(os.Environ(), k.env...)
	cmd.Stdout, cmd.Stderr = k.log, k.log
	// Of a session of its own, as services are: the scheduler shares processors among sessions. And Ctrl-C is
	// for this process, which then ends the others.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return cmd.Process.Pid, nil
}

// find looks for a program, also where those for administrators are, and also with
// the version in its name, as Debian's php-fpm8.2.
func find(name string) (string, error) {
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") {
		found, _ := filepath.Glob(filepath.Join(folder, name) + "*")
		for _, path := range found {
			version := strings.TrimPrefix(filepath.Base(path), filepath.Base(name))
			if strings.Trim(version, "0123456789.") == "" {
				return path, nil
			}
		}
	}
	if filepath.IsAbs(name) {
		return name, nil
	}
	return "", fmt.Errorf("%s is not installed", name)
}

// stop ends all. Servers are asked first, and get time to end what they have
// started; what they leave behind is asked when it comes here.
func (k *keeper) stop() {
	asked := map[int]bool{}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		left := children()
		if len(left) == 0 {
			break
		}
		late := time.Now().After(deadline)
		for _, pid := range left {
			if ended, _ := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); ended == pid {
				continue
			}
			if late {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			} else if !asked[pid] {
				asked[pid] = true
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
		}
	}
	_ = k.log.Close()
}

// children returns the process numbers of this process's children.
func children() []int {
	var pids []int
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for word := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}
