package tree

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// Every difference to Apache is in the table, and every one in the table is there,
// whether scripts are warm or cold.
func TestWireIsAsUnderApache(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	t.Setenv("PATH", "/usr/bin:/bin")
	t.Setenv("TZ", "Europe/Zurich")
	cases, reasons := readWire(t)
	warm, cold := serveWire(t, "auto", cases), serveWire(t, "off", cases)
	apache := site.ServeByApache(t, func(folder string) { plantWire(t, folder, cases) })
	used := map[string]bool{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			answers := c.ask(t, warm, cold, apache)
			c.compare(t, "warm", answers[0], answers[2])
			c.compare(t, "cold", answers[1], answers[2])
		})
		for _, d := range c.differs {
			used[d.reason] = true
		}
	}
	for reason := range reasons {
		if !used[reason] {
			t.Errorf("no case has the reason %s", reason)
		}
	}
}

// serveWire serves the scripts of the cases, warm or not.
func serveWire(t *testing.T, warm string, cases []*wireCase) *site.Site {
	t.Helper()
	s := site.Prepare(t, "route {\n prefork_cgi {\n  warm "+warm+"\n }\n respond 404\n}", nil)
	s.Hosts = true
	plantWire(t, s.Folder, cases)
	s.Start()
	return s
}

// ask makes the request of all servers at once.
func (c *wireCase) ask(t *testing.T, sites ...*site.Site) []*answer {
	t.Helper()
	answers, errs := make([]*answer, len(sites)), make([]error, len(sites))
	var all sync.WaitGroup
	for i, s := range sites {
		all.Go(func() { answers[i], errs[i] = c.exchange(s) })
	}
	all.Wait()
	site.Must(t, errors.Join(errs...))
	return answers
}

// compare wants the answers to differ in what the table says, and in nothing else.
func (c *wireCase) compare(t *testing.T, which string, ours, apaches *answer) {
	t.Helper()
	found := ours.differences(apaches)
	for _, d := range c.differs {
		if !slices.Contains(found, d.what) {
			t.Errorf("%s: is no difference any more: %s", which, d.what)
		}
	}
	for _, what := range found {
		if !slices.ContainsFunc(c.differs, func(d listed) bool { return d.what == what }) {
			t.Errorf("%s: differs: %s", which, what)
		}
	}
}

// An answer is all that came back for a request.
type answer struct {
	early   []string // informational responses
	status  int
	header  http.Header
	trailer http.Header
	body    string
	env     map[string]string // what the script has seen, if it is env.pl
	end     string            // how the body ended
}

// exchange sends a request as it stands and reads what comes until the server
// closes the connection.
func (c *wireCase) exchange(s *site.Site) (*answer, error) {
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err = conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	// A server that refuses may close before it has read all.
	_, _ = io.WriteString(conn, strings.ReplaceAll(c.request, "@HOST@", s.Addr))
	raw, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("no end after %d bytes: %w", len(raw), err)
	}
	method, _, _ := strings.Cut(c.request, " ")
	a := readAnswer(raw, method)
	a.body = plain(s, row{}, a.body)
	for _, values := range a.header {
		for i := range values {
			values[i] = plain(s, row{}, values[i])
		}
	}
	a.noteTrailers()
	a.forgetServers(c.output)
	a.forgetPage()
	a.readEnvironment()
	return a, nil
}

// readAnswer reads a response as a client does.
func readAnswer(raw []byte, method string) *answer {
	a, r := &answer{}, bufio.NewReader(bytes.NewReader(raw))
	for {
		response, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			a.end = fmt.Sprintf("no response, %d bytes", len(raw))
			return a
		}
		if response.StatusCode < 200 {
			for _, name := range serversOwn {
				response.Header.Del(name)
			}
			a.early = append(a.early, fmt.Sprintf("%d %s", response.StatusCode, fields(response.Header)))
			continue
		}
		body, err := io.ReadAll(response.Body)
		a.status, a.header, a.trailer, a.body = response.StatusCode, response.Header, response.Trailer, string(body)
		if err != nil {
			a.end = "broken off"
		}
		return a
	}
}

// noteTrailers takes the field that announces trailers as net/http does for a body in chunks. Whether Apache's is
// depends on when the script ends.
func (a *answer) noteTrailers() {
	for _, name := range a.header["Trailer"] {
		if a.trailer == nil {
			a.trailer = http.Header{}
		}
		a.trailer[http.CanonicalHeaderKey(name)] = nil
	}
	a.header.Del("Trailer")
}

// forgetServers takes from an answer the fields that a server makes, but if the script
// has written them. Whether Apache sends a length depends on when the script ends.
func (a *answer) forgetServers(output string) {
	for _, name := range serversOwn {
		if name == "Content-Length" || !strings.Contains(output, name+": "+a.header.Get(name)) {
			a.header.Del(name)
		}
	}
}

// forgetPage takes from an answer the page that a server makes by itself: Apache for
// errors and redirects, net/http for requests that are none. Other pages of ours are
// made by handle_errors, if anybody wants one.
func (a *answer) forgetPage() {
	mime := a.header.Get("Content-Type")
	ours := mime == "text/plain; charset=utf-8" && strings.HasPrefix(a.body, fmt.Sprint(a.status, " "))
	if ours || mime == "text/html; charset=iso-8859-1" && (a.body == "" || strings.HasPrefix(a.body, "<!DOCTYPE HTML PUBLIC")) {
		a.body = ""
		a.header.Del("Content-Type")
	}
}

// readEnvironment takes from the answer of env.pl what that has seen.
func (a *answer) readEnvironment() {
	lines, ok := strings.CutPrefix(a.body, "ENV\n")
	if !ok {
		return
	}
	for _, m := range environment {
		lines = m.pattern.ReplaceAllString(lines, m.with)
	}
	a.body, a.env = "", map[string]string{}
	for line := range strings.Lines(lines) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		a.env[name] = value
	}
}

// fields writes a header on one line.
func fields(header http.Header) string {
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintf(&all, "{%s: %s}", name, joined(name, header))
	}
	return all.String()
}

// differences returns in what two answers differ, ours first, as the table has it.
// Where the statuses do, the rest does too and is not looked at.
func (a *answer) differences(b *answer) (found []string) {
	say := func(what string, ours, apaches any) {
		if one, two := fmt.Sprint(ours), fmt.Sprint(apaches); one != two {
			found = append(found, what+" "+brief(one)+" | "+brief(two))
		}
	}
	say("early", strings.Join(a.early, " "), strings.Join(b.early, " "))
	if a.status != b.status {
		say("status", a.status, b.status)
		return found
	}
	for _, name := range unite(a.header, b.header) {
		say("field "+name, joined(name, a.header), joined(name, b.header))
	}
	say("trailer", fields(a.trailer), fields(b.trailer))
	say("body", a.body, b.body)
	say("end", a.end, b.end)
	say("script has run:", a.env != nil, b.env != nil)
	if a.env == nil || b.env == nil {
		return found
	}
	for _, name := range unite(a.env, b.env) {
		say("env "+name, valueOf(a.env, name), valueOf(b.env, name))
	}
	return found
}

// joined returns a field on one line. One line or several is the same to all, but
// for cookies: RFC 9110, 5.3.
func joined(name string, header http.Header) string {
	separator := ", "
	if name == "Set-Cookie" {
		separator = " & "
	}
	return strings.Join(header[name], separator)
}

// unite returns the names of two maps, sorted.
func unite[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// valueOf tells a variable that is empty from one that is not there.
func valueOf(env map[string]string, name string) string {
	if value, ok := env[name]; ok {
		return "=" + value
	}
	return ""
}

// brief makes a value fit for a line of the table.
func brief(value string) string {
	const most = 200
	if value == "" {
		return "none"
	}
	if len(value) > most {
		return fmt.Sprintf("%d bytes", len(value))
	}
	quoted := fmt.Sprintf("%q", value)
	return quoted[1 : len(quoted)-1]
}
