package programs

import (
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

func rubyPrograms() []program {
	return []program{dhelpFetcher(), tdiary(), tdiaryUpdate()}
}

// dhelp_fetcher has the documents of all packages that are installed; those of awstats
// are.
func dhelpFetcher() program {
	const folder = "file=/usr/share/doc/awstats/html/"
	return program{
		name: "dhelp_fetcher", pkg: "dhelp", script: "/usr/lib/cgi-bin/dhelp_fetcher",
		example: "/usr/share/doc/awstats/html/index.html",
		requests: []request{
			{url: "?" + folder + "awstats_changelog.txt.gz", want: "AWStats"},
			{url: "?" + folder + "index.html", status: 302},
			{post: folder + "awstats_changelog.txt.gz", want: "AWStats"},
		},
	}
}

func tdiary() program {
	return program{
		name: "tdiary index.rb", pkg: "tdiary-core", script: "/usr/share/tdiary/index.rb",
		config: "dir @SITE@", files: diary, prepare: migrate,
		masks: []string{`(?m)^Last-Modified: .*`}, // of a search it is now
		requests: []request{
			{url: "?date=20240102", want: "The text of the day"},
			{url: "", want: "The text of the day"},
			{url: "?date=202401", want: "First headline"},
			{url: "?q=headline", want: "A test diary"},
		},
	}
}

func tdiaryUpdate() program {
	return program{
		name: "tdiary update.rb", pkg: "tdiary-core", script: "/usr/share/tdiary/update.rb",
		config: "dir @SITE@", files: diary, prepare: migrate,
		requests: []request{
			{url: "?edit=true&year=2024&month=1&day=2", want: "The text of the day"},
			{
				post:   "appendpreview=1&date=20240103&year=2024&month=1&day=3&title=Another&body=Second+headline%0AMore+text",
				header: map[string]string{"Referer": "http://@ADDR@/program"},
				want:   "More text",
			},
		},
	}
}

// diary is one of one day.
var diary = map[string]string{
	"-tdiary.conf": `@data_path = '@SITE@/data'
@lang = 'en'
@html_title = 'A test diary'
@index = './program'
@update = 'program'
@options['sp.path'] = ['/usr/share/tdiary/misc/plugin']
@options['sp.selected'] = "footnote.rb\n"
load_cgi_conf
`,
	"-data/2024/202401.td2": `TDIARY2.01.00
Date: 20240102
Title: A day
Last-Modified: 1704153600
Visible: true
Format: tDiary

First headline
The text of the day.
.
`,
}

// migrate has tDiary look at the diary once: its first answer is always that it has
// brought the diary to this version.
func migrate(tb testing.TB, s *site.Site) {
	tb.Helper()
	run(tb, s, "env", "REQUEST_METHOD=GET", "SERVER_NAME=127.0.0.1", "SERVER_PORT=80", "QUERY_STRING=", "/usr/share/tdiary/index.rb")
}
