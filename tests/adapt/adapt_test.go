// Package adapt compares Caddyfiles with the JSON that they become, and adapts
// every Caddyfile of the documentation.
package adapt

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/prefork-cgi/prefork-cgi"
)

var update = flag.Bool("update", false, "write the expected results anew")

// separator stands between a Caddyfile and its JSON, or its error.
const separator = "----------\n"

func TestCaddyfilesBecome(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, ok := strings.Cut(string(text), separator)
			if !ok {
				t.Fatalf("%s has no line %q", file, separator)
			}
			got := adapted(input)
			if strings.HasPrefix(filepath.Base(file), "error-") == strings.HasPrefix(got, "{") {
				t.Errorf("the name of the case says otherwise: %s", got)
			}
			if *update {
				if err := os.WriteFile(file, []byte(input+separator+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// adapted returns the JSON that a Caddyfile becomes, or the error.
func adapted(input string) string {
	result, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err.Error() + "\n"
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, result, "", "\t"); err != nil {
		return err.Error() + "\n"
	}
	return pretty.String() + "\n"
}

// documents are the texts whose Caddyfiles must be right.
func documents(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/*/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, files...)
	}
	return found
}

var block = regexp.MustCompile("(?ms)^```caddyfile\n(.*?)^```$")

func TestCaddyfilesInTheDocumentationAreValid(t *testing.T) {
	count := 0
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range block.FindAllStringSubmatch(string(text), -1) {
			count++
			if err := valid(match[1]); err != nil {
				t.Errorf("%s: %v in\n%s", file, err, match[1])
			}
		}
	}
	if count == 0 {
		t.Error("no Caddyfile in any document")
	}
}

func TestExampleCaddyfilesAreValid(t *testing.T) {
	for _, file := range []string{"../../Caddyfile.example", "../../examples/Caddyfile"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(string(text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// valid adapts a Caddyfile and provisions what it becomes. A text that begins
// with a directive is put into a site. The file that it names must be there.
func valid(text string) error {
	text = strings.ReplaceAll(text, "/etc/caddy/clients.pem", "testdata/clients.pem")
	if first := strings.Fields(text)[0]; first == "prefork_cgi" || first == "root" || first == "handle_path" {
		text = "http://localhost:8080 {\n" + text + "}\n"
	}
	result, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	var config caddy.Config
	if err := json.Unmarshal(result, &config); err != nil {
		return err
	}
	return caddy.Validate(&config)
}
