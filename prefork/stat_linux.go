package prefork

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A stat is part of what /proc says of a process.
type stat struct {
	state           string // R, S, Z and so on
	parent, session int
}

// sessionShared reports whether there is another process in the session that pid
// leads.
func sessionShared(pid int) bool {
	return slices.ContainsFunc(processes(), func(other int) bool {
		// The system call is a hundred times as fast as reading what /proc has.
		if sid, err := unix.Getsid(other); err != nil || sid != pid || other == pid {
			return false
		}
		s, ok := statOf(other)
		return ok && s.state != "Z"
	})
}

// processes returns the numbers of all processes.
func processes() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// statOf looks at a process; ok is false if there is none with this number.
func statOf(pid int) (s stat, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, false
	}
	// The command, in parentheses, may contain anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 4 {
		return stat{}, false
	}
	parent, errParent := strconv.Atoi(fields[1])
	session, errSession := strconv.Atoi(fields[3])
	return stat{fields[0], parent, session}, errParent == nil && errSession == nil
}
