package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// database opens a handle before its fork point, which all executors share.
const database = `#!/usr/bin/perl
use strict; use warnings; use DBI; use File::Basename; use Proc::Prefork::Interp;
my $file = dirname($0) . '/data.sqlite';
my $db = DBI->connect("dbi:SQLite:dbname=$file", '', '', { RaiseError => 1 });
$db->do('create table if not exists t (a)');
open my $log, '>>', dirname($0) . '/app.log' or die;
prefork_initialisation_complete(log_facility => '');
print "Content-Type: text/plain\n\nok";
`

func TestWhatSetupLeavesOpenIsNamed(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `prefork_cgi`, map[string]string{
		"app.pl":      database,
		"socketed.py": "#!/usr/bin/python3\nimport net\nprint('Content-Type: text/plain\\n')\nprint('ok', end='')\n",
		"-net.py":     "import socket\nlistener = socket.create_server(('127.0.0.1', 0))\nclient = socket.create_connection(listener.getsockname())\nlog = open(__file__ + '.log', 'a')\n",
	})
	s.Want(s.Get("/app.pl"), 200, "ok")
	s.Want(s.Get("/socketed.py"), 200, "ok")
	for script, want := range map[string][]string{
		"app.pl":      {"data.sqlite", "app.log"},
		"socketed.py": {"TCP 127.0.0.1:", "listening", "net.py.log"},
	} {
		for _, target := range want {
			e := s.AwaitEntry("setup has left open what executors share", func(e map[string]any) bool {
				return e["script"] == s.Path(script) && strings.Contains(fmt.Sprint(e["target"]), target)
			})
			if fd, ok := e["descriptor"].(float64); !ok || fd < 3 {
				t.Errorf("%s: descriptor is %v", script, e["descriptor"])
			}
			if script == "socketed.py" && !strings.Contains(fmt.Sprint(e["opened_at"]), "net.py:") {
				t.Errorf("%s: opened at %v", target, e["opened_at"])
			}
		}
		if risks := status(t, s, script).Risks; len(risks) != len(want) && script == "app.pl" {
			t.Errorf("%s: risks are %v", script, risks)
		}
	}
}

func TestForkSafetyIsChosen(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]int{"warn": 200, "cold": 200, "refuse": 502} {
		t.Run(policy, func(t *testing.T) {
			s := site.Serve(t, withMode+"prefork_cgi {\n fork_safety "+policy+"\n}", map[string]string{"app.pl": database})
			r := s.Get("/app.pl")
			s.Want(r, want, "")
			switch policy {
			case "warn":
				wantMode(t, r, "explicit")
			case "cold":
				wantMode(t, r, "cold")
			case "refuse":
				s.AwaitEntry("script cannot be started", func(e map[string]any) bool {
					return strings.Contains(fmt.Sprint(e["error"]), "data.sqlite")
				})
			}
		})
	}
}

// The end of an executor must not end the connection that its server holds.
func TestDatabaseHandleOfSetupIsInactiveInExecutors(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", map[string]string{
		"app.pl": strings.Replace(database, `print "Content-Type: text/plain\n\nok"`, `print "Content-Type: text/plain\n\n$db->{AutoInactiveDestroy}"`, 1),
	})
	for range 2 {
		s.Want(s.Get("/app.pl"), 200, "1")
	}
}
