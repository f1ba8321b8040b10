package programs

import (
	"os"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

func pythonPrograms() []program {
	return []program{hgweb(), mfs(), chart(), simpleTAL()}
}

// hgwebExample is in package mercurial-common.
const hgwebExample = "/usr/share/doc/mercurial-common/examples/hgweb.cgi"

// hgweb is an example that is to be copied and told where the repository is. It
// loads its modules when they are first used.
func hgweb() program {
	return program{
		name: "hgweb", pkg: "mercurial", script: "hgweb.cgi",
		files:   map[string]string{"-repo/hello.txt": "hello\n"},
		example: hgwebExample,
		prepare: func(tb testing.TB, s *site.Site) {
			tb.Helper()
			example, err := os.ReadFile(hgwebExample)
			site.Must(tb, err)
			s.Write("hgweb.cgi", strings.Replace(string(example), "/path/to/repo/or/config", s.Path("repo"), 1))
			run(tb, s, "hg", "init", "repo")
			run(tb, s, "hg", "-R", "repo", "commit", "-A", "-q", "-u", "Ada <ada@example.org>", "-d", "2024-01-02 10:00 UTC", "-m", "The first commit")
		},
		requests: []request{
			{url: "", want: "The first commit"},
			{url: "/rev/0", want: "hello.txt"},
			{url: "/raw-file/tip/hello.txt", want: "hello\n"},
			{url: "/atom-log", want: "<feed"},
			{url: "/graph", want: "The first commit"},
			{url: "?cmd=capabilities", want: "batch"},
			{url: "/rev/none", status: 404, want: "unknown revision"},
			{url: "?cmd=batch", post: "cmds=heads+%3Bknown+nodes%3D", header: map[string]string{"X-HgArgs-Post": "28", "Content-Type": "application/mercurial-0.1"}, want: ";"},
		},
	}
}

// Without a MooseFS there is a page that says so. The order of what is in its links is
// that of a set, which is another in each process if Python is not told otherwise.
func mfs() program {
	const master = "masterhost=127.0.0.1&masterport=1&mastercontrolport=1"
	return program{
		name: "mfs.cgi", pkg: "moosefs-cgi", script: "/usr/share/moosefs-cgi/mfs.cgi",
		config: "env PYTHONHASHSEED 0",
		masks:  []string{`date: [-0-9: ]+ \w+`},
		requests: []request{
			{url: "?" + master, want: "Can't find working masters"},
			{url: "?" + master + "&sections=CS|HD", want: "Can't find working masters"},
			{post: master, want: "Can't find working masters"},
		},
	}
}

// chart writes an image to the buffer below sys.stdout.
func chart() program {
	return program{
		name: "chart.cgi", pkg: "moosefs-cgi", script: "/usr/share/moosefs-cgi/chart.cgi",
		requests: []request{
			{url: "", want: "GIF89a"},
			{url: "?host=127.0.0.1&port=1&id=1", want: "GIF89a"},
			{post: "host=127.0.0.1&port=1&id=x", want: "GIF89a"},
		},
	}
}

// The interpreter in simpleTAL's example is one that Debian does not have.
func simpleTAL() program {
	return program{
		name: "simple-cgi.py", pkg: "python3-simpletal",
		script:  "/usr/share/doc/python3-simpletal/examples/cgi-example/simple-cgi.py",
		example: "/usr/share/doc/python3-simpletal/examples/cgi-example/simple-cgi.py",
		config:  "interpreter .py /usr/bin/python3",
		requests: []request{
			{url: "", want: "Enter data"},
			{url: "?submit=1&username=Ada", want: "Missing fields"},
			{post: "submit=1&username=Ada+%3CL%3E&occupation=author&age=36", want: "Ada &lt;L&gt;"},
		},
	}
}
