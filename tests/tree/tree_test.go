package tree

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

var update = flag.Bool("update", false, "write testdata/modes.txt anew")

// A row is a request that is made twice of us, and of Apache once if twice is the same.
type row struct {
	path   string // with a query
	method string // GET, or POST if there is a body
	body   string
	header []string // "Name: value"
	masks  []mask

	// remembers says that the script's answer depends on those before.
	remembers bool

	// Where the servers rightly differ, in an error: both statuses. The rest of
	// such an answer is not compared.
	ours, apache int

	// check, if not nil, looks at our two answers, and at each of Apache's two.
	check func(t *testing.T, first, second site.Reply)
}

// The first request of a script is the one that has it set up; the second is the
// one that shows what setup has left behind.
func TestATreeOfScriptsAnswersAsUnderApache(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	here, there, tools := serve(t)
	rows := slices.Concat(perlRows, pythonRows, rubyRows, otherRows)
	asked, ran := map[string]bool{}, 0
	for _, r := range rows {
		path, _, _ := strings.Cut(r.path, "?")
		asked[scriptOf(here, path)] = true
		t.Run(r.name(), func(t *testing.T) {
			ran++
			ask(t, r, here, there)
		})
	}
	for _, script := range scripts(t, here.Folder) {
		if !asked[script] {
			t.Errorf("nobody asks for %s", script)
		}
	}
	if ran == len(rows) { // and not only those that -run names
		compareModes(t, modes(t, here, tools))
	}
}

// name is that of the row's test.
func (r row) name() string {
	method := cmp.Or(r.method, "GET")
	if r.body != "" {
		method = "POST"
	}
	return method + " " + strings.ReplaceAll(r.path, "/", " ")
}

// serve has both servers serve a copy of the tree each.
func serve(t *testing.T) (here, there *site.Site, tools string) {
	t.Helper()
	t.Setenv("PATH", "/usr/bin:/bin")
	t.Setenv("TZ", "Europe/Zurich")
	tools = buildTools(t)
	// Who comes behind us in a chain of handlers knows no other answer.
	here = site.Prepare(t, "route {\n prefork_cgi {\n  extensions *\n }\n respond 404\n}", nil)
	plant(t, here.Folder, tools)
	here.Start()
	there = site.ServeByApache(t, func(folder string) { plant(t, folder, tools) })
	return here, there, tools
}

func ask(t *testing.T, r row, here, there *site.Site) {
	t.Helper()
	var ours, apaches []site.Reply
	var both sync.WaitGroup
	both.Go(func() { ours = []site.Reply{request(here, r), request(here, r)} })
	both.Go(func() {
		apaches = slices.Repeat([]site.Reply{request(there, r)}, 2)
		if r.remembers || r.check != nil {
			apaches[1] = request(there, r)
		}
	})
	both.Wait()
	var found []string
	for i := range ours {
		for _, what := range compare(r, here, there, ours[i], apaches[i]) {
			found = append(found, fmt.Sprintf("request %d: %s", i+1, what))
		}
	}
	if len(found) > 0 {
		t.Error(strings.Join(found, "\n"))
	}
	if r.check != nil {
		r.check(t, ours[0], ours[1])
		r.check(t, apaches[0], apaches[1])
	}
}

func request(s *site.Site, r row) site.Reply {
	method, body := cmp.Or(r.method, http.MethodGet), io.Reader(nil)
	if r.body != "" {
		method, body = http.MethodPost, strings.NewReader(r.body)
	}
	return s.Do(method, r.path, body, r.edit)
}

// scriptOf returns the file, without its folder, that answers for a path.
func scriptOf(s *site.Site, path string) string {
	for ; len(path) > 1; path = filepath.Dir(path) {
		if info, err := os.Stat(s.Path(path)); err == nil && info.Mode().IsRegular() {
			return path[1:]
		}
	}
	return ""
}

// scripts returns all that a tree has.
func scripts(t *testing.T, folder string) (found []string) {
	t.Helper()
	for _, pattern := range []string{"*.*", "*/*.cgi"} {
		files, err := filepath.Glob(filepath.Join(folder, pattern))
		site.Must(t, err)
		for _, file := range files {
			if info, err := os.Stat(file); err == nil && info.Mode()&0o100 != 0 {
				found = append(found, strings.TrimPrefix(file, folder+"/"))
			}
		}
	}
	return found
}

// killDaemons ends the daemons that answers name, and wants them to have outlived
// their requests.
func killDaemons(t *testing.T, first, second site.Reply) {
	t.Helper()
	for _, reply := range []site.Reply{first, second} {
		var pid int
		if _, err := fmt.Sscanf(reply.Body, "daemon %d\n", &pid); err != nil || pid <= 1 {
			t.Errorf("no daemon in %q", reply.Body)
			continue
		}
		if !site.Alive(pid) {
			t.Errorf("daemon %d has not outlived its request", pid)
			continue
		}
		site.Must(t, syscall.Kill(pid, syscall.SIGKILL))
	}
}

// lateDiffers wants random numbers of the script itself not to repeat.
func lateDiffers(t *testing.T, first, second site.Reply) {
	t.Helper()
	_, one, found := strings.Cut(first.Body, "late ")
	_, two, _ := strings.Cut(second.Body, "late ")
	if !found || one == two {
		t.Errorf("random numbers are %q and %q", one, two)
	}
}

// modes returns how each script is served: a line for each.
func modes(t *testing.T, s *site.Site, tools string) string {
	t.Helper()
	resp, err := http.Get("http://" + s.Admin + "/prefork_cgi/pools")
	site.Must(t, err)
	defer resp.Body.Close()
	var pools []struct {
		Script, Mode, Why string
		PID               int
	}
	site.Must(t, json.NewDecoder(resp.Body).Decode(&pools))
	var lines []string
	for _, p := range pools {
		why := strings.NewReplacer(s.Folder+"/", "", s.Folder, ".", tools, "@TOOLS@", "\r", `\r`, "\n", " | ").Replace(p.Why)
		if p.PID != 0 {
			why = strings.ReplaceAll(why, strconv.Itoa(p.PID), "PID")
		}
		// A script that calls the library is never cold: it fails.
		lines = append(lines, fmt.Sprintf("%-20s %-9s %s\n", strings.TrimPrefix(p.Script, s.Folder+"/"), cmp.Or(p.Mode, "failed"), cmp.Or(why, "setup has failed")))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// compareModes compares the table with the one that is written down.
func compareModes(t *testing.T, got string) {
	t.Helper()
	t.Logf("modes:\n%s", got)
	golden := filepath.Join("testdata", "modes.txt")
	if *update {
		site.Must(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	site.Must(t, err)
	if got != string(want) {
		t.Errorf("modes have changed, new ones first (-update writes them):\n%s", difference(got, string(want)))
	}
}
