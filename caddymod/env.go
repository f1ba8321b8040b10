package caddymod

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

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
	return slices.DeleteFunc(env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
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
