package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// wantFreshUnwatched edits a release of which something cannot be watched. The log says so
// once, and nothing of a script that can.
func wantFreshUnwatched(t *testing.T, s *site.Site, edit func(n int), why string) {
	t.Helper()
	s.Want(s.Get("/other.cgi"), 200, "other")
	s.Want(s.Get("/live/app.pl"), 200, "script 1, module 1")
	for n := 2; n < 8; n++ {
		edit(n)
		for range 3 {
			s.Want(s.Get("/live/app.pl"), 200, fmt.Sprintf("script %d, module %d", n, n))
		}
	}
	s.Write("other.cgi", site.Shell("printf another"))
	s.Want(s.Get("/other.cgi"), 200, "another")
	lines := s.Entries("source files cannot be watched; changes are seen when a request comes")
	if len(lines) != 1 || lines[0]["script"] != s.Path("live/app.pl") || !strings.Contains(fmt.Sprint(lines[0]["error"]), why) {
		t.Errorf("the log says %v", lines)
	}
}

// What is changed on the other side of a FUSE file system raises no event here. That it
// remembers nothing is asked for: for a second it would.
func TestFileSystemThatDoesNotNotify(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bindfs"); err != nil {
		t.Skip(err)
	}
	s := site.Prepare(t, "prefork_cgi", map[string]string{"other.cgi": site.Shell("printf other")})
	site.Must(t, os.Mkdir(s.Path("live"), 0o755))
	far := *s
	far.Folder = t.TempDir()
	release(&far, "live", 1)
	bind := exec.Command("bindfs", "-f", "-o", "attr_timeout=0,entry_timeout=0,negative_timeout=0", far.Path("live"), s.Path("live"))
	site.Must(t, bind.Start())
	ended := make(chan struct{})
	go func() {
		bind.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		exec.Command("umount", "-l", s.Path("live")).Run()
		bind.Process.Kill() // if that could not be
		<-ended
	})
	s.Await("the mount", func() error {
		select {
		case <-ended:
			t.Skip("FUSE cannot be used here")
		default:
		}
		_, err := os.Stat(s.Path("live/app.pl"))
		return err
	})
	s.Start()
	wantFreshUnwatched(t, s, func(n int) { release(&far, "live", n) }, "may change without an event")
}

func TestNoMoreWatches(t *testing.T) {
	t.Parallel()
	limited := []string{"unshare", "-Ur", "sh", "-c", `echo 12 >/proc/sys/user/max_inotify_watches && exec "$0" "$@"`}
	if out, err := exec.Command(limited[0], append(limited[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("no user name space: %v, %s", err, out)
	}
	s := site.Prepare(t, "prefork_cgi", map[string]string{"other.cgi": site.Shell("printf other")})
	release(s, "live", 1)
	s.Under = limited
	s.Start()
	wantFreshUnwatched(t, s, func(n int) { release(s, "live", n) }, "no space left on device")
}
