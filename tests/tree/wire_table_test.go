package tree

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// A wireCase is one request of testdata/wire.txt, and in what the answers of the
// two servers rightly differ.
type wireCase struct {
	name    string
	output  string // what the script writes, if it is one of the out.pl
	script  string // that writes it
	request string // all of its bytes; @HOST@ stands for the server
	differs []listed
}

// A listed difference is one that the table lists.
type listed struct{ reason, what string }

// readWire reads the table. Its words are explained at its top.
func readWire(t *testing.T) (cases []*wireCase, reasons map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "wire.txt"))
	site.Must(t, err)
	reasons = map[string]string{}
	var c *wireCase
	for i, line := range strings.Split(string(text), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		fail := func(what string) { t.Fatalf("wire.txt, line %d: %s: %s", i+1, what, line) }
		if c == nil && word != "case" && word != "reason" && word != "" && word != "#" {
			fail("stands before the first case")
		}
		switch word {
		case "", "#":
		case "reason":
			name, why, _ := strings.Cut(rest, " ")
			reasons[name] = why
		case "case":
			c = &wireCase{name: rest}
			cases = append(cases, c)
		case "output", "nph":
			c.output, c.script = unescape(t, rest), map[string]string{"output": "out.pl", "nph": "nph-out.pl"}[word]
		case "send":
			c.request = unescape(t, rest) + " HTTP/1.1\r\nHost: @HOST@\r\nConnection: close\r\n\r\n"
		case "field":
			c.request = strings.TrimSuffix(c.request, "\r\n") + unescape(t, rest) + "\r\n\r\n"
		case "body":
			body := unescape(t, rest)
			c.request = strings.TrimSuffix(c.request, "\r\n") + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
		case "raw":
			c.request = unescape(t, rest)
		case "differs":
			reason, what, _ := strings.Cut(rest, " ")
			if reasons[reason] == "" {
				fail("has no such reason")
			}
			c.differs = append(c.differs, listed{reason, what})
		default:
			fail("is not understood")
		}
	}
	for _, c := range cases {
		if c.request == "" {
			c.request = "GET /@OUT@ HTTP/1.1\r\nHost: @HOST@\r\nConnection: close\r\n\r\n"
		}
		c.request = strings.ReplaceAll(c.request, "@OUT@", c.script+"/"+c.file())
	}
	return cases, reasons
}

// file is the name of what out.pl writes.
func (c *wireCase) file() string { return strings.ReplaceAll(c.name, " ", "-") }

// repeated is a text that stands for many: {x*1000}.
var repeated = regexp.MustCompile(`\{([^{}]+)\*(\d+)\}`)

// unescape reads a value of the table, which is written as a string of Go without
// its quotation marks.
func unescape(t *testing.T, value string) string {
	t.Helper()
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(value, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("wire.txt: %s: %v", value, err)
	}
	return repeated.ReplaceAllStringFunc(text, func(match string) string {
		part := repeated.FindStringSubmatch(match)
		n, _ := strconv.Atoi(part[2])
		return strings.Repeat(part[1], n)
	})
}

// plantWire puts the scripts into a folder, and what they write.
func plantWire(t *testing.T, folder string, cases []*wireCase) {
	t.Helper()
	for script, source := range map[string]string{"out.pl": "out.pl", "nph-out.pl": "out.pl", "env.pl": "env.pl"} {
		copyFile(t, filepath.Join("testdata", "wire", source), filepath.Join(folder, script), "", 0o755)
	}
	outputs := filepath.Join(folder, "outputs")
	site.Must(t, os.Mkdir(outputs, 0o755))
	site.Must(t, os.Chmod(outputs, 0o755))
	for _, c := range cases {
		file := filepath.Join(outputs, c.file())
		site.Must(t, os.WriteFile(file, []byte(c.output), 0o644))
		site.Must(t, os.Chmod(file, 0o644))
	}
}
