package caddymod

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// FuzzCaddyfile looks for a site or a global option that ends the program instead
// of being refused, and for one that is accepted and becomes JSON which is not.
func FuzzCaddyfile(f *testing.F) {
	for _, seed := range []string{
		"prefork_cgi",
		"prefork_cgi /cgi-bin/* {\n script /a.cgi\n env A {$B:c}\n identity string x\n}",
		"prefork_cgi *.cgi {\n interpreter .pl /usr/bin/perl -T\n extensions .cgi .pl\n parked 1 4 v1\n prewarm /a /b\n}",
		"prefork_cgi {\n identity {\n  env A B\n  id one\n }\n queue off 1s\n streams 3 10s\n tenant x 3\n overload 429\n}",
		"prefork_cgi {\n max_requests 10 1h off\n max_concurrent off\n spool_limit 10MB\n reload stale\n warm off\n}",
		"prefork_cgi {\n max_processes 40\n max_memory 1GiB\n timeout 1d\n}",
		"prefork_cgi {\n timeout {\n  }\n}",
		"prefork_cgi `a\nb` \"c",
		"prefork_cgi {\n env A <<X\n text\n X\n}",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, text string, global bool) {
		tokens, err := caddyfile.Tokenize([]byte(text), "Caddyfile")
		if err != nil {
			return
		}
		var values any
		if global {
			values, err = parseGlobalOption(caddyfile.NewDispenser(tokens), nil)
		} else {
			values, err = parseDirective(httpcaddyfile.Helper{Dispenser: caddyfile.NewDispenser(tokens)})
		}
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Errorf("%q: the error says nothing", text)
			}
			return
		}
		if _, err := json.Marshal(values); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
