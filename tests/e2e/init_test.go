package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// In a container Caddy is often process 1, and gets all orphans.
func TestNoZombieWhenCaddyIsProcessOne(t *testing.T) {
	t.Parallel()
	under := []string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}
	if out, err := exec.Command(under[0], append(under[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("no process name space can be made here: %v: %s", err, out)
	}
	leaves := "#!/usr/bin/perl\n$| = 1; print \"Content-Type: text/plain\\n\\nok\";\n" +
		"if (!fork) { close $_ for *STDIN, *STDOUT, *STDERR; select undef, undef, undef, 0.05; exit }\n"
	s := site.Prepare(t, `@v1 path /v1.pl
		prefork_cgi @v1 {
			library installed
			idle_timeout 300ms
		}
		prefork_cgi {
			idle_timeout 300ms
		}`, map[string]string{
		"v1.pl":     site.Perl("print 'ok';"),
		"native.pl": site.Perl("print 'ok';"),
		"app.pl":    leaves,
		"cold.cgi":  site.Shell("printf ok; sleep 0.05 >/dev/null 2>&1 </dev/null &"),
	})
	s.Under = under
	s.Start()
	for range 5 {
		for _, path := range []string{"/v1.pl", "/native.pl", "/app.pl", "/cold.cgi"} {
			s.Want(s.Get(path), 200, "ok")
		}
	}
	s.Await("the end of all but Caddy", func() error {
		var found []string
		for _, pid := range inNamespace(s.Cmd.Process.Pid) {
			found = append(found, pid+" "+leak.StatOf(pid).State)
		}
		if len(found) != 1 {
			return fmt.Errorf("there are %q", found)
		}
		return nil
	})
	// unshare does not pass signals on.
	caddy := inNamespace(s.Cmd.Process.Pid)
	if len(caddy) != 1 {
		t.Fatalf("there are %q", caddy)
	}
	var pid int
	if _, err := fmt.Sscan(caddy[0], &pid); err != nil {
		t.Fatal(err)
	}
	site.Must(t, syscall.Kill(pid, syscall.SIGTERM))
	<-s.Exited
	s.Await("its end", func() error {
		if len(inNamespace(pid)) > 0 {
			return errors.New("something runs")
		}
		return nil
	})
}

// inNamespace returns the processes, zombies too, of the name space that a process
// has made for its children.
func inNamespace(pid int) []string {
	space := readlink(fmt.Sprintf("/proc/%d/ns/pid_for_children", pid))
	if space == "" {
		return nil
	}
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
	for _, file := range files {
		number := strings.Split(file, "/")[2]
		// The link of a zombie leads nowhere; its parent's does.
		if link := readlink(file); link == space || link == "" && readlink("/proc/"+leak.StatOf(number).Parent+"/ns/pid") == space {
			found = append(found, number)
		}
	}
	return found
}

func readlink(path string) string {
	link, _ := os.Readlink(path)
	return link
}
