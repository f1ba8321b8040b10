package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/leak"
	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

func TestValidateStartsNoProcess(t *testing.T) {
	t.Parallel()
	s := site.Prepare(t, "prefork_cgi {\n script @SITE@/app.pl\n}", map[string]string{
		"app.pl": "#!/usr/bin/perl\nopen my $f, '>', 'started'; prefork_initialisation_complete();\n",
	})
	out, err := s.Caddy("validate", "--config", s.Caddyfile(), "--adapter", "caddyfile").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Valid configuration") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(s.Path("started")); err == nil {
		t.Error("the script was started")
	}
}

func TestReloadUnderLoadKeepsServersAndFailsNobody(t *testing.T) {
	s := site.Serve(t, "prefork_cgi {\n max_concurrent 2\n}", map[string]string{
		"app.pl":  site.Perl("print 'ok';"),
		"long.pl": site.Perl("print 'begun '; sleep 1; print 'ended';"),
	})
	s.Want(s.Get("/app.pl"), 200, "ok")
	pid := s.ServerPID("app.pl")
	stop := load(s, "/app.pl", "ok")
	var long sync.WaitGroup
	long.Go(func() { s.Want(s.Get("/long.pl"), 200, "begun ended") })
	for i := range 5 {
		// Limits change in place, and a forced reload of the same changes nothing.
		s.Config = fmt.Sprintf("prefork_cgi {\n max_concurrent %d\n}", 2+i%2)
		site.Must(t, s.Reload("--force"))
	}
	s.Config = "prefork_cgi {\n no_such_thing\n}"
	if s.Reload() == nil {
		t.Error("a bad configuration was loaded")
	}
	s.Config = "prefork_cgi {\n reload sometimes\n}"
	if err := s.Reload(); err == nil || !strings.Contains(err.Error(), "strict, stale or off") {
		t.Errorf("a bad value: %v", err)
	}
	long.Wait()
	answers := stop()
	// Caddy closes a listening socket at each reload, with the connections in it
	// that no server has accepted: with `respond ok` as the whole site these
	// clients lose about two at each. They never reach us.
	delete(answers, noAnswer)
	if answers[200] == 0 || len(answers) != 1 {
		t.Errorf("answers: %v", answers)
	}
	for _, entry := range append(s.Entries("handled request"), s.Entries("NOP")...) { // NOP has no status
		if entry["status"] != 200.0 {
			t.Errorf("a request has failed: %v", entry)
		}
	}
	if now := s.ServerPID("app.pl"); now != pid {
		t.Errorf("server %d has become %d", pid, now)
	}
}

func TestReloadReplacesWhatSetupSees(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n env A one\n}", map[string]string{
		"app.pl": strings.Replace(site.Perl("print $a;"), "prefork_init", "our $a = $ENV{A};\nprefork_init", 1),
	})
	s.Want(s.Get("/app.pl"), 200, "one")
	old := s.ServerPID("app.pl")
	s.Config = "prefork_cgi {\n env A two\n}"
	site.Must(t, s.Reload())
	s.AwaitGone(old) // nobody wants it
	s.Want(s.Get("/app.pl"), 200, "two")
	s.Config = "respond none"
	site.Must(t, s.Reload())
	s.Await("the end of all servers", func() error {
		if left := leak.Processes(s.Folder); len(left) > 0 {
			return fmt.Errorf("%q", left)
		}
		return nil
	})
}

func TestReloadedLogGoesWhereTheNewConfigurationSays(t *testing.T) {
	t.Parallel()
	// Ours would make it a duplicate of the request's.
	s := site.Serve(t, "prefork_cgi {\n library installed\n}", map[string]string{
		"app.pl": strings.Replace(site.Perl(`print $dup "line\n";`), "prefork_init", `open our $dup, '>&', \*STDERR or die; $dup->autoflush(1); prefork_init`, 1),
	})
	s.Get("/app.pl")
	s.AwaitEntry("script stderr", func(e map[string]any) bool { return e["phase"] == "setup" })
	s.Config = "global log {\n output file @STATE@/new.log\n}\n\nprefork_cgi {\n library installed\n}"
	config := s.Caddyfile()
	text, err := os.ReadFile(config)
	site.Must(t, err)
	site.Must(t, os.WriteFile(config, []byte(strings.Replace(string(text), "log {\n\t\tlevel DEBUG\n\t}\n", "", 1)), 0o644))
	out, err := s.Caddy("reload", "--config", config, "--adapter", "caddyfile", "--address", s.Admin).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.Get("/app.pl")
	s.Await("the line in the new log", func() error {
		text, _ := os.ReadFile(s.State + "/new.log")
		if !strings.Contains(string(text), `"phase":"setup"`) {
			return fmt.Errorf("%q", text)
		}
		return nil
	})
}

func TestTwoEnvironmentsAreTwoPools(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `
	handle_path /one/* {
		prefork_cgi {
			env A one
		}
	}
	handle_path /two/* {
		prefork_cgi {
			env A two
		}
	}
	handle_path /host/* {
		prefork_cgi {
			identity {
				env HTTP_X_TENANT
				string tenants
			}
		}
	}
	handle_path /id/* {
		prefork_cgi {
			env A {http.request.header.X-Tenant}
			identity id all
		}
	}`, map[string]string{
		"app.pl": strings.Replace(site.Perl(`print "$a$t ", getppid();`), "prefork_init", "our ($a, $t) = ($ENV{A} // '', $ENV{HTTP_X_TENANT} // '');\nprefork_init", 1),
	})
	for path, want := range map[string]string{"/one/app.pl": "one", "/two/app.pl": "two", "/host/app.pl": "red", "/id/app.pl": ""} {
		r := s.Get(path, func(r *http.Request) { r.Header.Set("X-Tenant", "red") })
		if got, _, _ := strings.Cut(r.Body, " "); got != want {
			t.Errorf("%s: %q", path, r.Body)
		}
	}
	if r := s.Get("/host/app.pl", func(r *http.Request) { r.Header.Set("X-Tenant", "blue") }); !strings.HasPrefix(r.Body, "blue ") {
		t.Errorf("another tenant: %q", r.Body)
	}
	if n := len(s.Entries("script is ready")); n != 5 {
		t.Errorf("%d servers were started, not 5", n)
	}
}

// another is a second site, beside which the first one is as it was.
func another(port, config string) string {
	return "prefork_cgi {\n root @SITE@\n env A new\n prewarm new.pl\n}\n}\nhttp://127.0.0.1:" + port + " {\nbind 127.0.0.1\n" + config
}

func TestFailingReloadChangesNothingAndStartsNothing(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n env A old\n}", map[string]string{
		"app.pl": site.Perl("print $ENV{A};"),
		"new.pl": "#!/usr/bin/perl\nBEGIN { mkdir 'started' } print \"Content-Type: text/plain\\n\\nnew\";\n",
	})
	s.Want(s.Get("/app.pl"), 200, "old")
	pid := s.ServerPID("app.pl")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	site.Must(t, err)
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	_, free, _ := net.SplitHostPort(site.FreeAddr(t))
	for want, config := range map[string]string{
		"address already in use": another(port, "respond x"),
		"loading certificates":   strings.Replace(another(free, "tls @STATE@/none @STATE@/none"), "http://", "https://", 1),
		"sometimes":              another(free, "prefork_cgi {\n reload sometimes\n}"),
	} {
		s.Config = config
		if err := s.Reload(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v", want, err)
		}
		s.Want(s.Get("/app.pl"), 200, "old")
	}
	if now := s.ServerPID("app.pl"); now != pid {
		t.Errorf("server %d has become %d", pid, now)
	}
	if _, err := os.Stat(s.Path("started")); err == nil {
		t.Error("a configuration that failed has started a script")
	}
	s.Config = another(free, "respond x") // and if it can be loaded, it does
	site.Must(t, s.Reload())
	awaitFile(s, "started")
	s.Want(s.Get("/app.pl"), 200, "new")
	s.AwaitGone(pid)
}

func TestRequestsOfAnOldConfigurationEndOnTheirServer(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n env A 0\n}", map[string]string{
		"app.pl": strings.Replace(site.Perl(`my $r = $ENV{QUERY_STRING}; print "$a "; if ($r) { mkdir "begun.$r"; select undef, undef, undef, 0.01 until -e 'go' } print $ENV{A};`),
			"prefork_init", "our $a = $ENV{A};\nprefork_init", 1),
	})
	var long sync.WaitGroup
	for i := 1; i <= 3; i++ { // each with a configuration, and a server, of its own
		was := fmt.Sprint(i - 1)
		long.Go(func() { s.Want(s.Get(fmt.Sprintf("/app.pl?%d", i)), 200, was+" "+was) })
		awaitFile(s, fmt.Sprintf("begun.%d", i))
		s.Config = fmt.Sprintf("prefork_cgi {\n env A %d\n}", i)
		site.Must(t, s.Reload())
		s.Want(s.Get("/app.pl"), 200, fmt.Sprintf("%d %d", i, i))
	}
	letGo(s)
	long.Wait()
	s.Await("the end of the old servers", func() error {
		if left := leak.Processes(s.Path("app.pl")); len(left) > 2 { // and a parked executor
			return fmt.Errorf("%q", left)
		}
		return nil
	})
}
