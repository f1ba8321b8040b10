package caddymod

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/caddyserver/caddy/v2"

	"github.com/prefork-cgi/prefork-cgi/cgi"
)

// passedVariables are those of Caddy's own environment that scripts get: where
// programs are, and in which language and time zone they speak. Everything
// else, such as a service manager's sockets and tokens, stays here.
var passedVariables = []string{"LANG", "LC_ALL", "LC_CTYPE", "PATH", "TZ"}

// defaultPath is for a Caddy that has no PATH itself.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// baseEnv returns the variables that every script gets.
func baseEnv() []string {
	env := []string{"PATH=" + defaultPath}
	for _, name := range passedVariables {
		if value := os.Getenv(name); value != "" {
			env = set(env, name, value)
		}
	}
	return env
}

// provisionEnv divides the environment into what setup sees and what belongs to
// each request.
func (h *Handler) provisionEnv() {
	// What is the same in all requests may as well be seen by setup: modules look
	// at it while they are loaded.
	h.setupEnv = append(baseEnv(), "GATEWAY_INTERFACE=CGI/1.1", "SERVER_SOFTWARE="+software)
	for _, name := range h.PassEnv {
		if value, ok := os.LookupEnv(name); ok {
			h.setupEnv = set(h.setupEnv, name, value)
		}
	}
	h.requestEnv = map[string]string{}
	global := caddy.NewReplacer()
	for _, name := range slices.Sorted(maps.Keys(h.Env)) {
		value := global.ReplaceKnown(h.Env[name], "")
		if strings.Contains(value, "{http.") {
			h.requestEnv[name] = value
		} else {
			h.setupEnv = set(h.setupEnv, name, value)
		}
	}
	slices.Sort(h.setupEnv) // as [pool.Spec.Inputs] has it
	h.setupNames = names(h.setupEnv)
}

// arguments returns those of the call: the configured ones and, where that is wanted, the
// words of the query.
func (x *exchange) arguments(configured []string) []string {
	if x.QueryArgs != on {
		return configured
	}
	return slices.Concat(configured, cgi.Arguments(x.r.Method, x.r.URL.RawQuery))
}

// mostFields is how many header fields a request may have. Each becomes a variable, and a C
// library looks through all that it has when it sets one: the hundred thousand that fit into
// the megabyte which Caddy takes of a header would keep a warm script busy for a minute.
const mostFields = 4096

// checkFields refuses a request with too many header fields.
func (x *exchange) checkFields() error {
	if n := len(x.r.Header); n > mostFields {
		return fmt.Errorf("the request has %d header fields, more than %d: %w", n, mostFields, syscall.E2BIG)
	}
	return nil
}

// set returns env with a variable set, once. Programs differ in which of two
// they believe.
func set(env []string, name, value string) []string {
	return append(unset(env, name), name+"="+value)
}

// unset returns env without a variable.
func unset(env []string, name string) []string {
	prefix := name + "="
	return slices.DeleteFunc(env, func(entry string) bool { return strings.HasPrefix(entry, prefix) })
}

// names returns those of the variables.
func names(env []string) map[string]bool {
	all := make(map[string]bool, len(env))
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		all[name] = true
	}
	return all
}

// without returns env without the variables of these names.
func without(env []string, names map[string]bool) []string {
	return slices.DeleteFunc(env, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return names[name]
	})
}

// get returns the value of a variable.
func get(env []string, name string) (string, bool) {
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value, true
		}
	}
	return "", false
}
