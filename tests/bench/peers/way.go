package main

import (
	"cmp"
	"slices"
	"strings"
)

// A way is how a server serves pages.
type way struct {
	name  string // short, for -only and the heads of tables
	title string
	ours  bool
	pages []string

	form        form
	interpreter string // instead of that in the script's first line
	front       front  // who listens

	// If Caddy is in front: what stands in its configuration. @URL@ is the path of
	// the variant's folder there, @FOLDER@ the folder, @FILE@ the script in it,
	// @SCRIPT@ its name, and @WORK@ the folder of all.
	site string

	// If it is ours: how many requests are served at once, and options, each a line. A way
	// whose needs Caddy does not know is left out; of its wishes, only those that it does not know.
	atOnce        string
	needs, wishes []string

	// The program that serves it behind Caddy, with the same words.
	backend []string
}

// A front is a server that listens, and gives requests to what is behind it.
type front string

const (
	caddy   front = "caddy"
	apache  front = "apache"   // with the event module, as Debian installs it
	modPerl front = "mod_perl" // with the prefork module, which mod_perl needs
)

var perlPages = []string{"hello", "mason"}

// Persistent servers, ours too, have so many processes, and all others may run so many at once.
// So may mod_fcgid: a request for which none of its processes is free sleeps a second.
const (
	persistent = "4"
	atOnce     = "8"
)

const fastCGI = `reverse_proxy @URL@/* unix/@FOLDER@/socket {
	transport fastcgi {
		root @WORK@
		split .pl
	}
}`

// peers are the servers that we are compared with.
var peers = []way{
	{
		name: "cold", title: "Caddy + caddy-cgi, cold", front: caddy, pages: []string{"hello", "mason", "python", "gitweb"},
		site: "cgi @URL@/* @FILE@ {\n\tscript_name @URL@/@SCRIPT@\n\tpass_env GITWEB_CONFIG\n}",
	}, {
		name: "interp", title: "Caddy + caddy-cgi + prefork-interp (C)", front: caddy, pages: perlPages,
		form: perlLibrary, interpreter: "/usr/bin/prefork-interp -U,perl",
		site: "cgi @URL@/* @FILE@ {\n\tscript_name @URL@/@SCRIPT@\n\tpass_env XDG_RUNTIME_DIR\n}",
	}, {
		name: "fcgi", title: "Caddy + persistent FCGI.pm ×" + persistent, front: caddy, pages: perlPages,
		form: perlFastCGI, site: fastCGI,
		backend: []string{"spawn-fcgi", "-s", "@FOLDER@/socket", "-F", persistent, "--", "@FILE@"},
	}, {
		name: "cgid", title: "Apache mod_cgid, cold", front: apache, pages: []string{"hello", "mason", "python", "gitweb"},
	}, {
		name: "fcgid", title: "Apache mod_fcgid ×" + atOnce, front: apache, pages: perlPages, form: perlFastCGI,
	}, {
		name: "registry", title: "Apache mod_perl Registry ×" + atOnce, front: modPerl, pages: perlPages,
	}, {
		name: "uwsgi", title: "Caddy + uWSGI ×" + persistent, front: caddy, pages: []string{"python"},
		form: pythonWSGI, site: "reverse_proxy @URL@/* unix/@FOLDER@/socket",
		backend: []string{
			"uwsgi", "--plugin", "python3", "--http-socket", "@FOLDER@/socket", "--wsgi-file", "@FILE@",
			"--processes", persistent, "--master", "--die-on-term", "--disable-logging",
		},
	}, {
		name: "fpm", title: "Caddy + php-fpm ×" + persistent, front: caddy, pages: []string{"php"},
		site:    strings.ReplaceAll(fastCGI, "split .pl", "split .php"),
		backend: []string{"php-fpm", "--allow-to-run-as-root", "--nodaemonize", "--fpm-config", "@WORK@/fpm.conf"},
	}, {
		name: "respond", title: "Caddy itself: respond", front: caddy, pages: []string{"nothing"},
		site: `respond @URL@/* "hello world` + "\n" + `"`,
	},
}

// Executors are kept ahead of need.
const (
	parked    = "parked 4 " + atOnce
	parkedAll = "parked 4 " + persistent
)

// ours are the ways in which this module serves a script.
var ours = []way{
	{
		name: "unchanged", title: "prefork_cgi, script unchanged", pages: []string{"hello", "mason", "python", "gitweb"},
		wishes: []string{parked},
	}, {
		// What Mason loads when it is first asked for a component, as GET
		// /prefork_cgi/pools shows.
		name: "preload", title: "prefork_cgi, script unchanged, preload", pages: []string{"mason"},
		needs: []string{"preload Data::Dumper HTML::Mason::Compiler::ToObject HTML::Mason::Component::FileBased " +
			"HTML::Mason::Component::Subcomponent HTML::Mason::Lexer"},
		wishes: []string{parked},
	}, {
		name: "explicit", title: "prefork_cgi, explicit", pages: perlPages, form: perlLibrary,
		wishes: []string{parked},
	}, {
		name: "explicit", title: "prefork_cgi, explicit", pages: []string{"python"}, form: pythonLibrary,
		wishes: []string{parked},
	}, {
		name: "installed", title: "prefork_cgi, explicit, Debian's library", pages: perlPages, form: perlLibrary,
		needs: []string{"library installed"},
	}, {
		name: "reuse", title: "prefork_cgi, script unchanged, persistent ×" + persistent, pages: []string{"hello", "mason", "python"},
		needs: []string{"reuse on", "max_requests 1000"}, wishes: []string{parkedAll}, atOnce: persistent,
	}, {
		name: "accept", title: "prefork_cgi, explicit, persistent ×" + persistent, pages: perlPages, form: perlAccept,
		needs: []string{"max_requests 1000"}, wishes: []string{parkedAll}, atOnce: persistent,
	}, {
		name: "accept", title: "prefork_cgi, explicit, persistent ×" + persistent, pages: []string{"python"}, form: pythonAccept,
		needs: []string{"max_requests 1000"}, wishes: []string{parkedAll}, atOnce: persistent,
	},
}

// ways returns all of them.
func ways() []way {
	all := slices.Clone(peers)
	for _, w := range ours {
		w.ours, w.front = true, caddy
		w.site = "prefork_cgi @URL@/* {\n\troot @WORK@\n\tmax_concurrent " + cmp.Or(w.atOnce, atOnce) + "\n\tpass_env GITWEB_CONFIG\n@OPTIONS@}"
		all = append(all, w)
	}
	return all
}
