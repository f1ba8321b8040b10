package prefork

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// lookPath finds a program in the PATH of the script's environment, not in ours:
// the same word means the same program for the script and for what it runs.
func lookPath(program string, env []string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	path, _ := lookup(env, "PATH")
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // a relative entry would let the working directory decide
		}
		candidate := filepath.Join(dir, program)
		if info, err := os.Stat(candidate); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("cannot find interpreter %q in PATH %q", program, path)
}
