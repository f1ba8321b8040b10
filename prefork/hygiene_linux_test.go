package prefork

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

func TestDescriptorsThatWeInheritedStayHere(t *testing.T) {
	folder := t.TempDir()
	leak.Check(t, folder)
	for name, text := range map[string]string{
		"cold": "#!/bin/sh\nls -l /proc/self/fd\n",
		"warm": perlHead + "prefork_initialisation_complete(log_facility => ''); system 'ls -l /proc/self/fd; true'",
	} {
		t.Run(name, func(t *testing.T) {
			writeScript(t, folder, "probe", text)
			inherited, err := os.Create(filepath.Join(folder, "inherited"))
			if err != nil {
				t.Fatal(err)
			}
			defer inherited.Close()
			cmd := asRole("probe", folder, os.Args[0])
			cmd.ExtraFiles = []*os.File{inherited, inherited}
			out, err := cmd.Output()
			if err != nil || !strings.Contains(string(out), "2 -> pipe") || strings.Contains(string(out), "inherited") {
				t.Errorf("descriptors are %s, %v", out, err)
			}
		})
	}
}

func TestAmbientCapabilitiesStayHere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give them")
	}
	folder := t.TempDir()
	leak.Check(t, folder)
	writeScript(t, folder, "probe", "#!/bin/sh\ngrep -E 'Cap(Amb|Eff)' /proc/self/status\n")
	// Where the other user can execute it.
	binary := filepath.Join(folder, "test")
	copyFile(t, os.Args[0], binary)
	setpriv := []string{
		"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		"--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service",
	}
	// So they do arrive here.
	out, err := exec.Command(setpriv[0], append(setpriv[1:], "grep", "CapAmb", "/proc/self/status")...).Output()
	if err != nil || strings.HasSuffix(strings.TrimSpace(string(out)), "\t0000000000000000") {
		t.Fatalf("setpriv: %q, %v", out, err)
	}
	cmd := asRole("probe", folder, append(setpriv, binary)...)
	cmd.Dir = "/"
	out, err = cmd.Output()
	if err != nil || strings.Count(string(out), "\t0000000000000000\n") != 2 {
		t.Errorf("capabilities are %q, %v", out, err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	// TempDir is for us alone.
	for dir := filepath.Dir(to); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
}

func TestKilledGuardIsReplaced(t *testing.T) {
	p, _ := launch(t, "#!/bin/sh\necho $$\nexec sleep 1000\n")
	g := p.(*cold).guard
	first := g.shell
	begun, pid := begin(t, p) // covered by the first guard
	syscall.Kill(first.pid, syscall.SIGKILL)
	awaitReaped(t, first)
	second, _ := begin(t, p)
	if g.shell == first {
		t.Error("the guard was not replaced")
	}
	if _, ok := g.sessions[begun.PID()]; !ok {
		t.Errorf("the new guard does not know session %s", pid)
	}
	for _, r := range []running{begun, second} {
		r.Kill()
		r.Wait()
	}
}

func awaitReaped(t *testing.T, c *child) {
	t.Helper()
	for syscall.Kill(c.pid, 0) == nil {
		unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil)
	}
}
