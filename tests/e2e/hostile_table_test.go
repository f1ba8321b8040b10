package e2e

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// A hostileCase is one request of testdata/hostile.txt.
type hostileCase struct {
	line    int
	request string // @HOST@ stands for the server
	cut     bool   // the client ends its side behind it
	status  []string
	script  string   // which is to run, under www; empty: none
	sees    []string // NAME=value, and -NAME for what is not there
}

// readHostile reads the table. Its words are explained at its top.
func readHostile(t *testing.T) (cases []*hostileCase) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "hostile.txt"))
	site.Must(t, err)
	var want hostileCase
	for i, line := range strings.Split(string(text), "\n") {
		unescape := func(value string) string {
			unquoted, err := strconv.Unquote(`"` + strings.ReplaceAll(value, `"`, `\"`) + `"`)
			if err != nil {
				t.Fatalf("hostile.txt, line %d: %s: %v", i+1, value, err)
			}
			return repeat(unquoted)
		}
		word, rest, _ := strings.Cut(line, " ")
		c := want
		c.line, c.cut = i+1, word == "cut"
		switch word {
		case "", "#":
			continue
		case "want":
			words := strings.Split(rest, " ")
			for i := range words {
				words[i] = unescape(words[i])
			}
			want = hostileCase{status: strings.Split(words[0], "|")}
			if len(words) > 1 {
				want.script, want.sees = words[1], words[2:]
			}
			continue
		case "get":
			c.request = "GET " + unescape(rest) + " HTTP/1.1\r\nHost: @HOST@\r\n\r\n"
		case "field":
			c.request = "GET /env.pl HTTP/1.1\r\nHost: @HOST@\r\n" + unescape(rest) + "\r\n\r\n"
		case "host":
			c.request = "GET /env.pl HTTP/1.1\r\nHost: " + unescape(rest) + "\r\n\r\n"
		case "raw", "cut":
			c.request = unescape(rest)
		default:
			t.Fatalf("hostile.txt, line %d is not understood: %s", i+1, line)
		}
		cases = append(cases, &c)
	}
	return cases
}

// repeated is a text that stands for many: {x*1000}.
var repeated = regexp.MustCompile(`(?s)\{([^{}]+)\*(\d+)\}`)

// repeat writes out what is repeated.
func repeat(text string) string {
	return repeated.ReplaceAllStringFunc(text, func(match string) string {
		part := repeated.FindStringSubmatch(match)
		n, _ := strconv.Atoi(part[2])
		return strings.Repeat(part[1], n)
	})
}

// place puts the server's address and folder into a text.
func (c *hostileCase) place(s *site.Site, text string) string {
	return strings.NewReplacer("@HOST@", s.Addr, "@SITE@", s.Folder).Replace(text)
}

// check compares what scripts have written since the last request with what is wanted.
func (c *hostileCase) check(s *site.Site, runs io.Reader) error {
	written, err := io.ReadAll(runs)
	if err != nil {
		return err
	}
	records := strings.SplitAfter(string(written), "\n\n")
	records = records[:len(records)-1]
	switch {
	case len(records) == 0 && c.script == "":
		return nil
	case len(records) != 1 || c.script == "":
		return fmt.Errorf("%d scripts have run: %.300q", len(records), records)
	}
	seen := map[string]string{}
	for line := range strings.Lines(records[0]) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if seen[name], err = strconv.Unquote(`"` + value + `"`); err != nil {
			return fmt.Errorf("%.300q: %w", line, err)
		}
	}
	return c.compare(s, seen)
}

// compare compares what a script has seen.
func (c *hostileCase) compare(s *site.Site, seen map[string]string) error {
	want := map[string]string{
		"RUN": filepath.Join(s.Folder, "www", c.script), "SCRIPT_NAME": "/" + c.script, "PATH_INFO": "", "QUERY_STRING": "", "ARGV": "",
	}
	for _, entry := range c.sees {
		name, value, isSet := strings.Cut(entry, "=")
		if absent, ok := strings.CutPrefix(name, "-"); ok && !isSet {
			if got, there := seen[absent]; there {
				return fmt.Errorf("%s is %q", absent, got)
			}
			continue
		}
		want[name] = c.place(s, value)
	}
	// Of every script: nothing of Caddy's, nothing that a client must not set, and
	// what is an address, a number or a file is one.
	for _, name := range []string{"SECRET_TOKEN", "HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "REMOTE_USER", "SMUGGLED"} {
		if value, there := seen[name]; there {
			return fmt.Errorf("%s is %q", name, value)
		}
	}
	for name, value := range want {
		if seen[name] != value {
			return fmt.Errorf("%s is %.200q, want %.200q", name, seen[name], value)
		}
	}
	for name, pattern := range map[string]string{
		"SERVER_NAME": `^[a-z0-9.]+$|^\[::1\]$`, "SERVER_PORT": `^[0-9]+$`, "REMOTE_ADDR": `^127\.0\.0\.1$`,
		"PATH_TRANSLATED": `^$|^` + regexp.QuoteMeta(s.Folder) + `/`,
	} {
		if !regexp.MustCompile(pattern).MatchString(seen[name]) {
			return fmt.Errorf("%s is %.200q", name, seen[name])
		}
	}
	return nil
}
