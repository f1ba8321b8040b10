package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// makeWritable makes a folder in which every user may write.
func makeWritable(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.Chmod(folder, 0o777) // whatever the umask is
}

// makeComponents makes the folder of Mason's components.
func makeComponents(folder string) error {
	text, err := testdata.ReadFile("testdata/mason/squares.html")
	if err != nil {
		return err
	}
	if err = os.Mkdir(filepath.Join(folder, "mason"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "mason", "squares.html"), text, 0o644)
}

// gitwebConfig is the name of gitweb's configuration, which all variants share.
const gitwebConfig = "gitweb.conf"

// git refuses repositories of another user, and Apache's is another.
const gitwebSettings = `our $projectroot = '@FOLDER@';
$ENV{GIT_CONFIG_COUNT} = 1;
$ENV{GIT_CONFIG_KEY_0} = 'safe.directory';
$ENV{GIT_CONFIG_VALUE_0} = '*';
1;
`

// makeRepository makes a repository of the scripts here, and the configuration with
// which gitweb shows it.
func makeRepository(work string) error {
	folder := filepath.Join(work, "git")
	config := strings.ReplaceAll(gitwebSettings, "@FOLDER@", folder)
	if err := os.WriteFile(filepath.Join(work, gitwebConfig), []byte(config), 0o644); err != nil {
		return err
	}
	tree := filepath.Join(folder, "tree")
	if err := os.CopyFS(tree, testdata); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"},
		{"add", "."},
		{"-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "All pages"},
		{"clone", "-q", "--bare", ".", "../pages.git"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir = tree
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "GIT_CONFIG_NOSYSTEM=1"}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}
