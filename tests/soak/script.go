package soak

import (
	"fmt"
	"strings"
	"sync"
)

// A script is one file of the tree, with the source that it is.
type script struct {
	path   string // below the site
	text   string // VERSION in it stands for the number of the save
	broken string // what makes it one that cannot be set up
	weight int    // how often it is asked for
	serves int    // how many requests one process may have

	stale   bool    // the old version may serve until the new one is ready
	inPlace bool    // it may be written while it is there: its interpreter reads it at once
	module  *script // that it loads; nil: none

	source
	faults sync.Mutex // held by who does something to it
}

// version returns the text of a version.
func (s *script) version(n int) string {
	return strings.ReplaceAll(s.text, "VERSION", fmt.Sprint(n))
}

func (s *script) mayBeWrittenInPlace() bool { return s.inPlace }

func (s *script) hasModule() bool { return s.module != nil }

// What each script writes: versions of script, module and configuration, the number of
// the request in its process, the request's token, the length of its body, the body,
// and again the version.
const (
	perlCount = "use strict; use warnings;\nour $count; $count++;\n"
	perlBody  = `my $body = do { local $/; <STDIN> } // '';
print "Content-Type: text/plain\n\n", join(' ', VERSION, MODULE, $ENV{SOAK_CONFIG}, $count, $ENV{QUERY_STRING}, length $body), "\n";
print "$body\nend VERSION\n";
`
	// It answers while it reads, and takes its time.
	perlSlow = `$| = 1;
print "Content-Type: text/plain\n\n", join(' ', VERSION, MODULE, $ENV{SOAK_CONFIG}, $count, $ENV{QUERY_STRING}, $ENV{CONTENT_LENGTH} || 0), "\n";
while (read STDIN, my $piece, 4096) { print $piece; select undef, undef, undef, 0.005 }
select undef, undef, undef, 0.1;
print "\nend VERSION\n";
`
	pythonCount = "import os, sys\ntry: count += 1\nexcept NameError: count = 1\n"
	pythonBody  = `body = sys.stdin.read()
print("Content-Type: text/plain\n")
print(VERSION, 0, os.environ["SOAK_CONFIG"], count, os.environ["QUERY_STRING"], len(body))
print(body + "\nend", VERSION)
`
	rubyCount = "$count = ($count || 0) + 1\n"
	rubyBody  = `body = $stdin.read
print "Content-Type: text/plain\n\n#{[VERSION, 0, ENV['SOAK_CONFIG'], $count, ENV['QUERY_STRING'], body.length].join(' ')}\n#{body}\nend VERSION\n"
`
	shell = `#!/bin/sh
body=$(cat; printf x); body=${body%x}
printf 'Content-Type: text/plain\n\n%s 0 %s 1 %s %s\n%s\nend %s\n' VERSION "$SOAK_CONFIG" "$QUERY_STRING" ${#body} "$body" VERSION
`
	perlBroken   = "#!/usr/bin/perl\nuse strict; prefork_initialisation_complete(;\n"
	pythonBroken = "#!/usr/bin/python3\ndef broken(:\n"
	rubyBroken   = "#!/usr/bin/ruby\ndef broken(;\n"
	shellBroken  = "#!/bin/sh\nexit 3\n"
)

// servedAgain is the max_requests of persistent executors.
const servedAgain = 200

func perl(head, body string) string {
	return "#!/usr/bin/perl\n" + strings.ReplaceAll(head+body, "MODULE", "0")
}

// tree returns the scripts, in each way in which scripts are served. Light ones are
// asked for more often.
func tree() []*script {
	explicit := "use POSIX (); use IO::File; use Proc::Prefork::Interp;\nprefork_initialisation_complete(max_servers => -1);\n"
	indented := func(text string) string {
		return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
	}
	return []*script{
		{path: "automatic/app.pl", text: perl(perlCount, perlBody), broken: perlBroken, weight: 12, serves: 1, inPlace: true},
		{path: "automatic/app.py", text: "#!/usr/bin/python3\n" + pythonCount + pythonBody, broken: pythonBroken, weight: 8, serves: 1, inPlace: true},
		{path: "automatic/app.rb", text: "#!/usr/bin/ruby\n" + rubyCount + rubyBody, broken: rubyBroken, weight: 5, serves: 1, inPlace: true},
		{path: "explicit/app.pl", text: perl(explicit+perlCount, perlBody), broken: perlBroken, weight: 12, serves: 1, inPlace: true},
		{
			path: "module/app.pl", text: "#!/usr/bin/perl\nuse FindBin; use lib $FindBin::Bin; use Part;\n" + perlCount +
				strings.ReplaceAll(perlBody, "MODULE", "Part::version()"), broken: perlBroken, weight: 8, serves: 1,
			module: &script{path: "module/Part.pm", text: "package Part;\nsub version { VERSION }\n1;\n", broken: "package Part; sub version {"},
		},
		{
			path: "module/app.py", text: "#!/usr/bin/python3\nimport part\n" + pythonCount +
				strings.Replace(pythonBody, "0", "part.version()", 1), broken: pythonBroken, weight: 6, serves: 1,
			module: &script{path: "module/part.py", text: "def version(): return VERSION\n", broken: "def version("},
		},
		{
			path: "module/app.rb", text: "#!/usr/bin/ruby\nrequire_relative 'part'\n" + rubyCount +
				strings.Replace(rubyBody, "0", "part_version", 1), broken: rubyBroken, weight: 4, serves: 1,
			module: &script{path: "module/part.rb", text: "def part_version() VERSION end\n", broken: "def part_version("},
		},
		{path: "stale/app.pl", text: perl(perlCount, perlBody), broken: perlBroken, weight: 10, serves: 1, stale: true},
		{path: "slow/app.pl", text: perl(perlCount, perlSlow), broken: perlBroken, weight: 2, serves: 1},
		{path: "v1/app.pl", text: perl(explicit+perlCount, perlBody), broken: perlBroken, weight: 4, serves: 1},
		{path: "cold/app.cgi", text: shell, broken: shellBroken, weight: 4, serves: 1},
		{path: "persistent/app.pl", text: perl("use Proc::Prefork::Interp;\n"+"use strict; our $count;\nwhile (prefork_accept()) {\n    $count++;\n",
			indented(perlBody)+"}\n"), broken: perlBroken, weight: 15, serves: servedAgain, inPlace: true},
		{path: "persistent/app.py", text: "#!/usr/bin/python3\nimport os, sys, prefork_interp\ncount = 0\nwhile prefork_interp.accept():\n    count += 1\n" +
			indented(pythonBody), broken: pythonBroken, weight: 15, serves: servedAgain, inPlace: true},
		{path: "persistent/app.rb", text: "#!/usr/bin/ruby\nrequire 'prefork_interp'\nwhile PreforkInterp.accept\n  " + rubyCount +
			indented(rubyBody) + "end\n", broken: rubyBroken, weight: 12, serves: servedAgain, inPlace: true},
		{path: "reuse/app.pl", text: perl(perlCount, perlBody), broken: perlBroken, weight: 10, serves: 1, inPlace: true},
		{path: "reuse/app.py", text: "#!/usr/bin/python3\n" + pythonCount + pythonBody, broken: pythonBroken, weight: 10, serves: 1, inPlace: true},
	}
}

// hanging is a script that never answers, that ignores whoever asks it to end, and that
// has descendants which do so, too. Its request is answered for it.
func hanging() *script {
	return &script{path: "hang/app.pl", serves: 1, text: `#!/usr/bin/perl
$SIG{$_} = 'IGNORE' for qw(INT TERM HUP);
fork and fork; # three of us
sleep 1000 while 1; # VERSION
`}
}

// siteConfig is what stands in the site's block: the handlers in the order in which
// they are tried. Each has processes of its own, so that a pool is one handler's, and
// takes the limits of a new configuration before anybody asks.
const siteConfig = `global prefork_cgi {
	max_concurrent MAX_CONCURRENT
	idle_timeout IDLE_TIMEOUT
	grace_period 2s
	queue 200 30s
}

log_skip
route {
	prefork_cgi /persistent/* {
		identity string persistent
		max_requests SERVED_AGAIN
		env SOAK_CONFIG CONFIG
	}
	prefork_cgi /reuse/* {
		identity string reuse
		max_requests SERVED_AGAIN
		reuse on
		env SOAK_CONFIG CONFIG
	}
	prefork_cgi /stale/* {
		identity string stale
		reload stale
		env SOAK_CONFIG CONFIG
	}
	prefork_cgi /hang/* {
		identity string hang
		timeout 1s
		grace_period 1s
		env SOAK_CONFIG CONFIG
	}
	prefork_cgi /v1/* {
		identity string v1
		library installed
		env SOAK_CONFIG CONFIG
	}
	prefork_cgi {
		env SOAK_CONFIG CONFIG
	}
	respond "no script" 404
}
`
