package site

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
)

// ApacheProgram is what [ServeByApache] runs: of the package apache2-bin.
const ApacheProgram = "/usr/sbin/apache2"

// httpd is the smallest configuration that serves a folder of scripts, with TRACE off as
// Debian has it. Apache passes PATH and TZ by itself.
const httpd = `ServerRoot @STATE@
ServerName 127.0.0.1
Listen @ADDR@
PidFile @STATE@/pid
ErrorLog @STATE@/error.log
Mutex file:@STATE@
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so
ScriptSock @STATE@/sock
@USER@
StartServers 1
ServerLimit 1
ThreadsPerChild 4
MaxRequestWorkers 4
PassEnv LANG
TraceEnable off
DocumentRoot @SITE@
<Directory @SITE@>
	Options ExecCGI
	SetHandler cgi-script
</Directory>
`

// ServeByApache serves by mod_cgid, until the test ends, what fill puts into a
// fresh folder, with further lines of configuration. Of the result only Folder,
// State, Addr and the requests mean something.
func ServeByApache(t *testing.T, fill func(folder string), lines ...string) *Site {
	t.Helper()
	s := &Site{T: t, Folder: t.TempDir(), State: t.TempDir(), Addr: FreeAddr(t)}
	leak.CheckProcesses(t, s.Folder)
	leak.CheckProcesses(t, s.State)
	Open(t, s.Folder)
	fill(s.Folder)
	Open(t, s.State)
	user := ""
	if os.Getuid() == 0 { // Apache does not serve as root
		user = "User www-data\nGroup www-data"
	}
	conf := filepath.Join(s.State, "httpd.conf")
	text := strings.NewReplacer("@SITE@", s.Folder, "@STATE@", s.State, "@ADDR@", s.Addr, "@USER@", user).Replace(httpd + strings.Join(lines, "\n"))
	Must(t, os.WriteFile(conf, []byte(text), 0o644))

	// Seldom Apache serves no script from the start, and says nothing of it.
	for range 3 {
		if startApache(s, conf) {
			return s
		}
		t.Log("Apache serves no script")
	}
	t.Fatal("Apache has been started three times, and serves no script")
	return nil
}

// startApache starts Apache, to be ended with the test, and reports whether it serves scripts.
func startApache(s *Site, conf string) bool {
	t := s.T
	t.Helper()
	cmd := exec.Command(ApacheProgram, "-f", conf, "-DFOREGROUND")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TZ=" + os.Getenv("TZ"), "LANG=C.UTF-8"}
	cmd.Dir = s.State
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	Must(t, cmd.Start())
	exited := make(chan struct{})
	go func() { // until the process ends
		cmd.Wait()
		close(exited)
	}()
	stop := sync.OnceFunc(func() { stopApache(s, cmd, exited, stderr) })
	t.Cleanup(stop)
	s.Await("Apache", func() error {
		select {
		case <-exited:
			return fmt.Errorf("has ended: %s", stderr)
		default:
		}
		conn, err := net.Dial("tcp", s.Addr)
		if err == nil {
			conn.Close()
		}
		return err
	})
	const probe = "is-apache-ready.cgi"
	s.Write(probe, Shell("echo ready"))
	defer os.Remove(s.Path(probe))
	impatient := http.Client{Timeout: 10 * time.Second}
	answer, err := impatient.Get("http://" + s.Addr + "/" + probe)
	if err != nil {
		stop()
		return false
	}
	answer.Body.Close()
	return true
}

// stopApache ends Apache with all that it has started, and shows what it has
// logged if the test has failed.
func stopApache(s *Site, cmd *exec.Cmd, exited <-chan struct{}, stderr fmt.Stringer) {
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-exited:
	case <-time.After(20 * time.Second):
		s.T.Error("Apache did not end")
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-exited
	}
	if s.T.Failed() {
		log, _ := os.ReadFile(filepath.Join(s.State, "error.log"))
		s.T.Logf("Apache says:\n%s%s", stderr, log)
	}
}

// Open has others than the user of the tests read a folder of t.TempDir, and
// write there.
func Open(t *testing.T, folder string) {
	t.Helper()
	Must(t, os.Chmod(filepath.Dir(folder), 0o755))
	Must(t, os.Chmod(folder, 0o777))
}
