package caddymod

import (
	"regexp"
	"strings"
)

// masked stands for what is nobody's business.
const masked = "***"

var (
	// secretNames are parts of the names of variables that hold secrets. It is better to
	// mask too much: what is shown may end up in a bug report.
	secretNames = regexp.MustCompile(`(?i)pass|pwd|secret|token|key|cookie|authoriz|credential|session|signature|dsn`)

	// userInfo is what stands before the host in a URL, with a password.
	userInfo = regexp.MustCompile(`://[^/@\s]*:[^/@\s]*@`)
)

// mask returns a word without what looks like a secret: the value in NAME=value, by the
// name, and user and password in a URL.
func mask(word string) string {
	name, value, ok := strings.Cut(word, "=")
	if ok && value != "" && secretNames.MatchString(name) {
		return name + "=" + masked
	}
	return userInfo.ReplaceAllString(word, "://"+masked+"@")
}

func maskAll(words []string) []string {
	list := make([]string, len(words))
	for i, word := range words {
		list[i] = mask(word)
	}
	return list
}
