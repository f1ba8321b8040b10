package tree

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// serversOwn are header fields that a server makes, and not a script. A
// Content-Length is the script's if it is in both answers; then they have been
// read by it.
var serversOwn = []string{"Date", "Server", "Content-Length", "Connection"}

// Variables that rightly differ, as a regular expression of their names. All
// others are the same under both servers.
const (
	valueDiffers = `SERVER_SOFTWARE|REMOTE_PORT`
	onlyHere     = `DOCUMENT_URI|REMOTE_HOST`
	onlyApache   = `SERVER_ADMIN|SERVER_SIGNATURE|CONTEXT_PREFIX|CONTEXT_DOCUMENT_ROOT|HTTP_CONNECTION|REDIRECT_\w+`
)

// A mask replaces in a body what differs from one process to the next.
type mask struct {
	pattern *regexp.Regexp
	with    string
}

// The masks that rows name.
var (
	pids        = mask{regexp.MustCompile(`(?m)^daemon \d+$`), "daemon PID"}
	randoms     = mask{regexp.MustCompile(`(?m)^(early|late) \d+$`), "$1 RANDOM"}
	variables   = mask{regexp.MustCompile(`(?m)^(` + valueDiffers + `)=.*$`), "$1=*"}
	onlyOne     = mask{regexp.MustCompile(`(?m)^(` + onlyHere + `|` + onlyApache + `)=.*\n`), ""}
	environment = []mask{variables, onlyOne}

	// Apache makes arguments of a query without "=" (RFC 3875, 4.4: should be). Words
	// that anybody may choose have been options of interpreters: CVE-2012-1823.
	indexed = []mask{
		{regexp.MustCompile(`(?m)^args=.*$`), "args=*"},
		{regexp.MustCompile(`argc=\d+`), "argc=*"},
		{regexp.MustCompile(`two\+words, \d+`), "two+words, *"},
	}

	// Each executor has random numbers of its own, whatever setup has seeded.
	seeded = mask{regexp.MustCompile(`(?m)^(\d+ ){4}\d+$`), "NUMBERS"}

	// Python and Ruby have our library, and what that needs, among what is loaded,
	// and it is the first caller.
	libraries = []mask{
		{regexp.MustCompile(`'(_ast|_socket|atexit|gc|prefork_interp[._a-z]*)', `), ""},
		{regexp.MustCompile(`\b[13] frames`), "FRAMES"},
		{regexp.MustCompile(`(?m)^(.*/)?prefork_interp[^/\n]*(/.*)?\.rb\n`), ""},
		{regexp.MustCompile(`(?m)^\[(:PreforkInterp)?\]$`), "[]"},
		// Where Ruby's own timer has its two.
		{regexp.MustCompile(`(?m)^\[0, 1, 2, (3, 4|7, 8)\]$`), "[0, 1, 2, *, *]"},
	}
)

// plain takes from a body what differs because the two servers are two: their
// folders and ports, and what the row masks.
func plain(s *site.Site, r row, body string) string {
	_, port, _ := net.SplitHostPort(s.Addr)
	body = strings.NewReplacer(s.Folder, "@SITE@", s.Addr, "@ADDR@", "SERVER_PORT="+port, "SERVER_PORT=@PORT@").Replace(body)
	for _, m := range r.masks {
		body = m.pattern.ReplaceAllString(body, m.with)
	}
	return body
}

// scriptsHeader returns what the script has said in its header, as lines.
func scriptsHeader(s *site.Site, r row, reply site.Reply) string {
	var lines []string
	for name, values := range reply.Header {
		if !slices.Contains(serversOwn, name) {
			// One line or several is the same to all, but for cookies: RFC 9110, 5.3.
			separator := ", "
			if name == "Set-Cookie" {
				separator = " | "
			}
			lines = append(lines, name+": "+strings.Join(values, separator))
		}
	}
	slices.Sort(lines)
	return plain(s, r, strings.Join(lines, "\n"))
}

// compare returns in what two answers differ, but for what the row says.
func compare(r row, here, there *site.Site, ours, apaches site.Reply) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if ours.Err != nil || apaches.Err != nil {
		say("errors: ours %v, Apache's %v", ours.Err, apaches.Err)
		return found
	}
	if r.apache != 0 {
		if ours.Status != r.ours || apaches.Status != r.apache {
			say("statuses: ours %d, want %d; Apache's %d, want %d", ours.Status, r.ours, apaches.Status, r.apache)
		}
		return found // what stands in an error page is the server's
	}
	if ours.Status != apaches.Status {
		say("status is %d; Apache's is %d; body %.300q", ours.Status, apaches.Status, ours.Body)
	}
	if got, want := scriptsHeader(here, r, ours), scriptsHeader(there, r, apaches); got != want {
		say("header is\n%s\nApache's is\n%s", got, want)
	}
	if got, want := plain(here, r, ours.Body), plain(there, r, apaches.Body); got != want {
		say("body differs, ours first:\n%s", difference(got, want))
	}
	return found
}

// difference shows the lines that only one of two texts has.
func difference(got, want string) string {
	ours, theirs := strings.Split(got, "\n"), strings.Split(want, "\n")
	var shown []string
	for _, line := range ours {
		if !slices.Contains(theirs, line) {
			shown = append(shown, "- "+shorten(line))
		}
	}
	for _, line := range theirs {
		if !slices.Contains(ours, line) {
			shown = append(shown, "+ "+shorten(line))
		}
	}
	if len(shown) == 0 {
		return "the same lines in another order or number:\n" + shorten(got) + "\nand\n" + shorten(want)
	}
	return strings.Join(shown, "\n")
}

func shorten(text string) string {
	const most = 2000
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// edit gives a request the header of a row.
func (r row) edit(request *http.Request) {
	for _, line := range r.header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
}
