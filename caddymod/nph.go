package caddymod

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Nonparsed says which scripts write a whole HTTP response, beginning with the status
// line: RFC 3875 section 5.
type Nonparsed struct {
	// Scripts whose output is a whole HTTP response, beginning with its status line, as patterns
	// of the file's name. They add to those whose name begins with `nph-`. `on` stands for all scripts,
	// `off` for none at all. Default: none but `nph-*`.
	NPH []string `json:"nph,omitempty"`
}

// check refuses patterns that would never match.
func (n Nonparsed) check() error {
	for _, pattern := range n.NPH {
		if (pattern == on || pattern == off) && len(n.NPH) > 1 {
			return fmt.Errorf("nph %s excludes all others: it stands for every script, or none", pattern)
		}
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" || strings.Contains(pattern, "/") {
			return fmt.Errorf("nph %q is not a pattern for the name of a file, such as legacy-*.cgi", pattern)
		}
	}
	return nil
}

// nonparsed reports whether a script's output is a whole HTTP response.
func (n Nonparsed) nonparsed(file string) bool {
	name := path.Base(file)
	switch {
	case slices.Contains(n.NPH, off):
		return false
	case strings.HasPrefix(name, "nph-"), slices.Contains(n.NPH, on):
		return true
	}
	return slices.ContainsFunc(n.NPH, func(pattern string) bool {
		matches, _ := path.Match(pattern, name) // it has been checked
		return matches
	})
}
