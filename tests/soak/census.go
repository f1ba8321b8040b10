package soak

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// A census is what there is of Caddy while nothing is asked for.
type census struct {
	descriptors map[string]int // by what they are
	goroutines  map[string]int // by where they wait
	heap        int            // bytes that are in use, after a collection
	resident    int            // bytes
	files       int            // in the folder for temporary files
}

func (c *census) String() string {
	return fmt.Sprintf("%d descriptors, %d goroutines, %d KiB of heap, %d KiB resident, %d temporary files",
		sum(c.descriptors), sum(c.goroutines), c.heap>>10, c.resident>>10, c.files)
}

// exceeds returns what there is more of than in another census. Memory may be a little
// more: buffers are kept, and maps do not shrink.
func (c *census) exceeds(other *census) error {
	const moreHeap, moreResident = 4 << 20, 48 << 20
	var errs []error
	for what, maps := range map[string][2]map[string]int{
		"descriptors": {c.descriptors, other.descriptors}, "goroutines": {c.goroutines, other.goroutines},
	} {
		if sum(maps[0]) > sum(maps[1]) {
			errs = append(errs, fmt.Errorf("%s: %v, before %v", what, maps[0], maps[1]))
		}
	}
	for what, n := range map[string][3]int{
		"heap": {c.heap, other.heap, moreHeap}, "resident memory": {c.resident, other.resident, moreResident},
		"temporary files": {c.files, other.files, 0},
	} {
		if n[0] > n[1]+n[2] {
			errs = append(errs, fmt.Errorf("%s: %d, before %d", what, n[0], n[1]))
		}
	}
	return errors.Join(errs...)
}

func sum(counts map[string]int) (n int) {
	for count := range maps.Values(counts) {
		n += count
	}
	return n
}

// rest has all pools go to nothing, and takes a census. Each script must answer with
// its newest version first.
func (r *run) rest() *census {
	in := &injector{run: r, client: newClient(r, 99)}
	in.awaitAll()
	in.client.close()
	idle := r.limits.idle
	r.limits.idle = 100 * time.Millisecond
	in.must(in.reload(r.configure()))
	r.settle("the end of all pools", r.nothingRuns)
	var now *census
	// What is about to end has ended when two look the same.
	r.settle("a census that stays", func() (err error) {
		before := now
		if now, err = r.count(); err != nil {
			return err
		}
		for place, n := range now.goroutines {
			if strings.Contains(place, ourModule) {
				return fmt.Errorf("%d goroutines of %s are left", n, place)
			}
		}
		if before == nil || !maps.Equal(before.goroutines, now.goroutines) || !maps.Equal(before.descriptors, now.descriptors) {
			return errors.New("it changes")
		}
		return nil
	})
	r.limits.idle = idle
	in.must(in.reload(r.configure()))
	return now
}

// ourModule is in the names of all functions that are ours.
const ourModule = "prefork-cgi/prefork-cgi/"

// settle waits until a check holds.
func (r *run) settle(what string, check func() error) {
	err := check()
	for deadline := time.Now().Add(30 * time.Second); err != nil; err = check() {
		if time.Now().After(deadline) {
			r.model.complain("%s: %v", what, err)
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// nothingRuns checks that there are no pools, processes, children and watches.
func (r *run) nothingRuns() error {
	text, err := r.admin("/prefork_cgi/pools")
	if err != nil {
		return err
	}
	var pools []json.RawMessage
	if err := json.Unmarshal(text, &pools); err != nil {
		return err
	}
	if len(pools) > 0 {
		return fmt.Errorf("pools are left: %s", clip(string(text)))
	}
	if left := leak.Processes(r.site.Folder); len(left) > 0 {
		return fmt.Errorf("processes are left: %q", left)
	}
	proc := filepath.Join("/proc", strconv.Itoa(r.site.Cmd.Process.Pid))
	for _, file := range matches(proc, "task/*/children") {
		if children, _ := os.ReadFile(file); len(children) > 0 {
			return fmt.Errorf("children are left: %s", children)
		}
	}
	for _, file := range matches(proc, "fdinfo/*") {
		if info, _ := os.ReadFile(file); strings.Contains(string(info), "inotify wd:") {
			return fmt.Errorf("%d watches are left", strings.Count(string(info), "inotify wd:"))
		}
	}
	return nil
}

func matches(folder, pattern string) []string {
	found, _ := filepath.Glob(filepath.Join(folder, pattern))
	return found
}

// once makes each request on a connection of its own, of which nothing is left when
// Caddy's are counted.
var once = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// admin asks Caddy's admin endpoint.
func (r *run) admin(path string) ([]byte, error) {
	resp, err := once.Get("http://" + r.site.Admin + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

var (
	number    = regexp.MustCompile(`\d+`)
	heapInUse = regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)$`)
	resident  = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)
)

// count takes a census.
func (r *run) count() (*census, error) {
	c := &census{descriptors: map[string]int{}, goroutines: map[string]int{}, files: len(r.files())}
	proc := filepath.Join("/proc", strconv.Itoa(r.site.Cmd.Process.Pid))
	// In this order: what serves one of our requests ends soon after it.
	for _, file := range matches(proc, "fd/*") {
		if target, err := os.Readlink(file); err == nil {
			c.descriptors[number.ReplaceAllString(target, "")]++
		}
	}
	stacks, err1 := r.admin("/debug/pprof/goroutine?debug=2")
	heap, err2 := r.admin("/debug/pprof/heap?gc=1&debug=1")
	status, err3 := os.ReadFile(filepath.Join(proc, "status"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		c.goroutines[place(stack)]++
	}
	c.heap, c.resident = parsed(heapInUse, heap), parsed(resident, status)<<10
	return c, nil
}

func parsed(where *regexp.Regexp, text []byte) int {
	found := where.FindSubmatch(text)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(found[1])) // digits
	return n
}

// place returns the function that a goroutine was started for.
func place(stack string) string {
	lines := strings.Split(stack, "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		if name, ok := strings.CutPrefix(line, "created by "); ok {
			name, _, _ = strings.Cut(name, " in goroutine")
			return name
		}
	}
	return "main"
}
