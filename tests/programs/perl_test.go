package programs

import (
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

func perlPrograms() []program {
	return []program{gitweb(), info2www(), pgFormat(), awstats()}
}

func gitweb() program {
	return program{
		name: "gitweb", pkg: "gitweb", script: "/usr/share/gitweb/gitweb.cgi",
		config: "env GITWEB_CONFIG @SITE@/gitweb.conf",
		files: map[string]string{
			"-gitweb.conf":    "our $projectroot = '@SITE@/git';\n$feature{'snapshot'}{'default'} = ['tgz'];\n",
			"-work/hello.txt": "hello\n",
			"-work/lib/a.c":   "int a(void) { return 1; }\n",
		},
		prepare: func(tb testing.TB, s *site.Site) {
			tb.Helper()
			run(tb, s, "git", "init", "-q", "work")
			run(tb, s, "git", "-C", "work", "add", ".")
			run(tb, s, "git", "-C", "work", "commit", "-q", "-m", "The first commit")
			run(tb, s, "git", "clone", "-q", "--bare", "work", "git/example.git")
		},
		requests: []request{
			{url: "?p=example.git;a=summary", want: "The first commit"},
			{url: "", want: "example.git"},
			{url: "?p=example.git;a=commitdiff;h=HEAD", want: "return&nbsp;1"},
			{url: "?p=example.git;a=blob_plain;f=hello.txt", want: "hello\n"},
			{url: "/example.git/tree/HEAD:/lib", want: "a.c"},
			{url: "?p=example.git;a=rss", want: "<rss"},
			{url: "?p=example.git;a=snapshot;h=HEAD;sf=tgz", want: "\x1f\x8b"},
			{url: "?p=none.git;a=summary", status: 404, want: "No such project"},
			{post: "p=example.git&a=search&st=author&s=Ada", want: "The first commit"},
		},
	}
}

// info2www runs with -T, writes its header before anything else, and keeps a
// database of where it has found what.
func info2www() program {
	return program{
		name: "info2www", pkg: "info2www", script: "/usr/lib/cgi-bin/info2www",
		requests: []request{
			{url: "?(gzip)Overview", want: "Lempel"},
			{url: "", want: "<HTML>"},
			{url: "?file=sed&node=Overview", want: "Normally"},
			{url: "?(no-such-manual)", want: "Couldn't find Info file"},
			{post: "file=gzip&node=Sample", want: "realistic examples"},
		},
	}
}

func pgFormat() program {
	return program{
		name: "pg_format", pkg: "pgformatter", script: "/usr/lib/cgi-bin/pg_format",
		masks: []string{`"(Expires|Date)" CONTENT="[^"]*"`},
		requests: []request{
			{post: "content=select+a,b+from+c+where+d%3D1+order+by+a", want: `<span class="kw1_u">SELECT</span>`},
			{url: "", want: "Format my code"},
			{url: "?content=delete+from+t&uc_keyword=1", want: `<span class="kw1_l">delete</span>`},
			{url: "?show_example=1", want: "Format my code"},
		},
	}
}

// awstats loads its plugins and tables of browsers while it runs. The order of what is
// equally frequent is that of a hash.
func awstats() program {
	const report = "?config=test&configdir=@SITE@&year=2024&month=01"
	return program{
		name: "awstats", pkg: "awstats", script: "/usr/lib/cgi-bin/awstats.pl",
		config: "env AWSTATS_ENABLE_CONFIG_DIR @SITE@\n\tenv PERL_HASH_SEED 0\n\tenv PERL_PERTURB_KEYS 0",
		files: map[string]string{
			"-access.log": `127.0.0.1 - - [02/Jan/2024:10:00:00 +0000] "GET /index.html HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0"
127.0.0.2 - - [02/Jan/2024:11:00:00 +0000] "GET /a.html HTTP/1.1" 200 600 "http://127.0.0.1/index.html" "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0"
`,
			"-awstats.test.conf": `LogFile="@SITE@/access.log"
LogType=W
LogFormat=1
SiteDomain="test.example"
HostAliases="localhost"
DNSLookup=0
DirData="@SITE@"
DirIcons="/icons"
DirLang="/usr/share/awstats/lang"
`,
		},
		prepare: func(tb testing.TB, s *site.Site) {
			tb.Helper()
			run(tb, s, "/usr/lib/cgi-bin/awstats.pl", "-config=test", "-configdir="+s.Folder, "-update")
		},
		masks: []string{`(?m)^(Last-Modified|Expires): .*`},
		requests: []request{
			{url: report + "&framename=mainright", want: "Firefox"},
			{url: report, want: "Statistics for test.example"},
			{url: report + "&output=urldetail", want: "2 different pages-url"},
			{url: report + "&output=allhosts", want: "127.0.0.2"},
			{url: "?config=none&configdir=@SITE@", want: "Couldn't open config file"},
		},
	}
}
