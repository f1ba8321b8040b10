package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// argvScripts print their arguments, one a line, in brackets.
func argvScripts() map[string]string {
	perl := "#!/usr/bin/perl\nprint \"Content-Type: text/plain\\n\\n\", map { \"[$_]\" } @ARGV;\n"
	return map[string]string{
		"cold.cgi":    site.Shell(`for word; do printf '[%s]' "$word"; done`),
		"cold.pl":     perl,
		"warm.pl":     perl,
		"warm.py":     "#!/usr/bin/python3\nimport os, sys\nprint('Content-Type: text/plain\\n', flush=True)\nos.write(1, b''.join(b'[%s]' % os.fsencode(w) for w in sys.argv[1:]))\n",
		"warm.rb":     "#!/usr/bin/ruby\nprint \"Content-Type: text/plain\\n\\n\", *ARGV.map { |word| \"[#{word}]\" }\n",
		"explicit.pl": site.Perl(`print map { "[$_]" } @ARGV;`),
		"v1.pl":       site.Perl(`print map { "[$_]" } @ARGV;`),
	}
}

// words are queries and the arguments that they make, here and under Apache.
var words = []struct{ query, ours, apaches string }{
	{"one", "[one]", "[one]"},
	{"one+two%20words+t%C3%A4st", "[one][two words][täst]", "[one][two words][täst]"},
	{"a++b", "[a][][b]", "[a][][b]"},
	{"a%3Db+c%2Bd+e/f?g:h,i", `[a=b][c+d][e/f\?g:h,i]`, `[a=b][c+d][e/f\?g:h,i]`},
	{"$(id);%60id%60|id+%22'<>*", "[\\$\\(id\\)\\;\\`id\\`\\|id][\\\"\\'\\<\\>\\*]", "[\\$\\(id\\)\\;\\`id\\`\\|id][\\\"\\'\\<\\>\\*]"},
	{"a%0Ab", "[a\\\nb]", "[a\\\nb]"},
	{"a=b", "", ""},
	{"", "", ""},
	// What could be an option, or cannot be an argument, makes none at all.
	{"-s", "", "[-s]"},
	{"%2dd+allow_url_include", "", "[-d][allow_url_include]"},
	{"a+%20-s", "", "[a][ -s]"},
	{"a%zz+b", "", "[a%zz][b]"},
}

func TestWordsOfAQueryAreArgumentsIfThatIsWanted(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "global prefork_cgi {\n query_args on\n}\n\nprefork_cgi /cold* {\n warm off\n}\nprefork_cgi /v1.pl {\n library installed\n}\nprefork_cgi /off/* {\n query_args off\n}\nprefork_cgi", argvScripts())
	for name, text := range argvScripts() {
		s.Write("off/"+name, text)
	}
	for script := range argvScripts() {
		for _, c := range words {
			if r := s.Get("/" + script + "?" + c.query); r.Status != http.StatusOK || r.Body != c.ours {
				t.Errorf("%s?%s: %d %q, want %q", script, c.query, r.Status, r.Body, c.ours)
			}
		}
		for path, method := range map[string]string{"/": http.MethodPost, "/off/": http.MethodGet} {
			if r := s.Do(method, path+script+"?one", nil); r.Status != http.StatusOK || r.Body != "" {
				t.Errorf("%s %s%s?one: %d %q", method, path, script, r.Status, r.Body)
			}
		}
	}
}

// The words come behind the arguments of the configuration.
func TestWordsOfAQueryComeLast(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n args --site main\n query_args on\n}", argvScripts())
	for script := range argvScripts() {
		for _, query := range []string{"one", "two", "-s"} {
			want := "[--site][main]"
			if query != "-s" {
				want += "[" + query + "]"
			}
			s.Want(s.Get("/"+script+"?"+query), http.StatusOK, want)
		}
	}
}

func TestApacheMakesTheSameArguments(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts Apache")
	}
	s := site.ServeByApache(t, func(folder string) {
		site.Must(t, os.WriteFile(filepath.Join(folder, "argv.cgi"), []byte(argvScripts()["cold.cgi"]), 0o755))
	})
	for _, c := range words {
		if got := s.Get("/argv.cgi?" + c.query).Body; strings.TrimSpace(got) != c.apaches {
			t.Errorf("%s: %q, want %q", c.query, got, c.apaches)
		}
	}
}
