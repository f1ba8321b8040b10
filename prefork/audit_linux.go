package prefork

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// v1Own are the descriptors of the handover in a v1 server.
var v1Own = map[int]bool{listenFD: true, callFD: true, watchiFD: true, watcheFD: true}

// audit looks at what setup has left open in a server. own are descriptors of
// the library; places say where others were opened, as far as that is known.
// What cannot be read, of another user's process, is not reported.
func audit(pid int, own map[int]bool, places map[int]string) []Risk {
	proc := "/proc/" + strconv.Itoa(pid)
	var risks []Risk
	if tasks, err := os.ReadDir(proc + "/task"); err == nil && len(tasks) > 1 {
		risks = append(risks, Risk{Kind: RiskThread, Count: len(tasks) - 1})
	}
	entries, _ := os.ReadDir(proc + "/fd")
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd <= 2 || own[fd] {
			continue
		}
		if risk, ok := auditFD(proc, fd); ok {
			risk.Place = places[fd]
			risks = append(risks, risk)
		}
	}
	slices.SortStableFunc(risks, func(a, b Risk) int { return a.FD - b.FD })
	return risks
}

// auditFD reports whether a descriptor is a risk.
func auditFD(proc string, fd int) (Risk, bool) {
	link := fmt.Sprintf("%s/fd/%d", proc, fd)
	target, err := os.Readlink(link)
	if err != nil {
		return Risk{}, false
	}
	if inode, ok := strings.CutPrefix(target, "socket:["); ok {
		name, local := socketName(proc, strings.TrimSuffix(inode, "]"))
		return Risk{Kind: RiskSocket, FD: fd, Target: name}, !local
	}
	info, err := os.Stat(link)
	if err != nil || target[0] != '/' || !info.Mode().IsRegular() || !writable(proc, fd) {
		return Risk{}, false
	}
	return Risk{Kind: RiskFile, FD: fd, Target: target}, true
}

// writable reports whether a descriptor is open for writing.
func writable(proc string, fd int) bool {
	text, _ := os.ReadFile(fmt.Sprintf("%s/fdinfo/%d", proc, fd))
	_, rest, _ := strings.Cut(string(text), "flags:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return false
	}
	flags, err := strconv.ParseUint(fields[0], 8, 32)
	return err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
}

// socketName returns what a socket is, by its inode. local is true for one
// that only sends messages to this machine, as to syslog: they have no state that
// executors could mix up.
func socketName(proc, inode string) (name string, local bool) {
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		// sl local remote state queues timer retransmit uid timeout inode
		fields := lineWith(proc+"/net/"+table, 9, inode)
		if fields == nil {
			continue
		}
		protocol := strings.ToUpper(strings.TrimSuffix(table, "6"))
		local, remote := parseAddr(fields[1]), parseAddr(fields[2])
		if remote.Port() == 0 {
			return fmt.Sprintf("%s %s, listening", protocol, local), false
		}
		return fmt.Sprintf("%s %s", protocol, remote), false
	}
	// num refcount protocol flags type state inode path
	if fields := lineWith(proc+"/net/unix", 6, inode); fields != nil {
		name = "Unix socket"
		if len(fields) > 7 {
			name += " " + fields[7]
		}
		return name, fields[4] == "0002"
	}
	return "socket " + inode, false
}

// lineWith returns the fields of the line in a table that has an inode at a place.
func lineWith(table string, place int, inode string) []string {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > place && fields[place] == inode {
			return fields
		}
	}
	return nil
}

// parseAddr reads an address as /proc/net has it: words of four bytes in the
// machine's order, in hexadecimal, a colon and the port.
func parseAddr(text string) netip.AddrPort {
	host, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	number, errPort := strconv.ParseUint(port, 16, 16)
	if err != nil || errPort != nil || len(b)%4 != 0 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	addr, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(number))
}
