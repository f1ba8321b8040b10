package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// A release is a script and a module of it, which both say which one it is.
func release(s *site.Site, folder string, n int) {
	s.Write(folder+"/app.pl", fmt.Sprintf(`#!/usr/bin/perl
use FindBin; use lib "$FindBin::Bin/lib"; use My;
print "Content-Type: text/plain\n\n", "script %d, module ", My::n();
`, n))
	s.Write("-"+folder+"/lib/My.pm", fmt.Sprintf("package My; sub n { %d } 1\n", n))
}

// sh runs a command line in the site's folder.
func sh(s *site.Site, command string) {
	s.T.Helper()
	cmd := exec.Command("/bin/sh", "-ec", command)
	cmd.Dir = s.Folder
	if out, err := cmd.CombinedOutput(); err != nil {
		s.T.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// Ways to put release @N@ from the folder new into live. What not every system
// has gives the name.
var deployments = map[string]string{
	"rename":                          `mv new/app.pl live/app.pl; mv new/lib/My.pm live/lib/My.pm`,
	"symbolic link, replaced":         `mkdir -p releases; mv new releases/@N@; ln -sfn releases/@N@ next; [ -h live ] || rm -r live; mv -T next live`,
	"symbolic link, removed and made": `mkdir -p releases; mv new releases/@N@; rm -rf live; ln -sfn releases/@N@ live`,
	"folders, exchanged":              `mv live old; mv new live; rm -rf old`,
	"folder of modules, exchanged":    `mv live/lib live/old; mv new/lib live/lib; rm -rf live/old; cp new/app.pl live`,
	"write in place":                  `cat new/app.pl >live/app.pl; cat new/lib/My.pm >live/lib/My.pm`,
	"older files":                     `touch -d '2001-01-01 @N@ sec' new/app.pl new/lib/My.pm; cp -p new/app.pl live/; cp -p new/lib/My.pm live/lib/`,
	"older files, same time and size": `touch -d '2001-01-01' new/app.pl new/lib/My.pm; cp -p new/app.pl live/; cp -p new/lib/My.pm live/lib/`,
	"deletion and return":             `rm -r live; cp -r new live`,
	"hard links":                      `ln -f new/app.pl live/app.pl; ln -f new/lib/My.pm live/lib/My.pm`,
	"backup, then a new file":         `for f in app.pl lib/My.pm; do mv live/$f live/$f~; cp new/$f live/$f; done`,
	"tar":                             `touch -d '2001-01-01 @N@ sec' new/app.pl new/lib/My.pm; tar -cC new . | tar -xC live`,
	"sed -i":                          `sed -i 's/script [0-9]*/script @N@/' live/app.pl; sed -i 's/{ .* }/{ @N@ }/' live/lib/My.pm`,
	"rsync -a":                        `touch -d '2001-01-01 @N@ sec' new/app.pl new/lib/My.pm; rsync -a new/ live/`,
	"rsync -a --inplace -I":           `rsync -a --inplace -I new/ live/`,
	"git checkout": `cd live; git checkout -q main; git checkout -q -b v@N@; cp ../new/app.pl .; cp ../new/lib/My.pm lib
		git add .; git commit -qm @N@; git checkout -q main; git checkout -q v@N@`,
	"vim": `vim -Nes -u NONE -c '%s/script [0-9]*/script @N@/' -c wq live/app.pl
		vim -Nes -u NONE -c 'set backupcopy=yes' -c '%s/{ .* }/{ @N@ }/' -c wq live/lib/My.pm`,
	"emacs": `emacs -Q --batch live/app.pl --eval '(progn (re-search-forward "script [0-9]+") (replace-match "script @N@") (save-buffer))'
		emacs -Q --batch live/lib/My.pm --eval '(progn (re-search-forward "{ .* }") (replace-match "{ @N@ }") (save-buffer))'`,
}

func TestEachWayOfDeployingIsLiveAtTheNextHit(t *testing.T) {
	for name, deploy := range deployments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			switch program, _, _ := strings.Cut(name, " "); program {
			case "git", "rsync", "vim", "emacs":
				if _, err := exec.LookPath(program); err != nil {
					t.Skip(err)
				}
			}
			s := site.Prepare(t, "prefork_cgi", nil)
			release(s, "live", 10)
			if name == "git checkout" {
				sh(s, `cd live; git init -q -b main; git config user.email a@example.org; git config user.name a
					git add .; git commit -qm first`)
			}
			s.Start()
			s.Want(s.Get("/live/app.pl"), 200, "script 10, module 10")
			for n := 11; n < 14+edits(20)/4; n++ {
				sh(s, "rm -rf new")
				release(s, "new", n)
				sh(s, strings.ReplaceAll(deploy, "@N@", fmt.Sprint(n)))
				s.Want(s.Get("/live/app.pl"), 200, fmt.Sprintf("script %d, module %d", n, n))
			}
			if pool := status(t, s, "live/app.pl"); pool.Mode != "automatic" {
				t.Errorf("mode is %s: %s", pool.Mode, pool.Why)
			}
		})
	}
}

// What changes beside the contents, too.
func TestModeOwnerAndTimes(t *testing.T) {
	t.Parallel()
	s := site.Prepare(t, "prefork_cgi", nil)
	release(s, "live", 1)
	s.Start()
	setups := 0
	ask := func(what string, code int, newSetup bool) {
		t.Helper()
		body := ""
		if code == 200 {
			body = "script 1, module 1"
		}
		s.Want(s.Get("/live/app.pl"), code, body)
		if n := len(s.Entries("script is ready")); (n > setups) != newSetup {
			t.Errorf("after %s there have been %d setups, not %d", what, n, setups)
		} else {
			setups = n
		}
	}
	ask("nothing", 200, true)
	ask("nothing", 200, false)
	sh(s, "touch live/app.pl")
	ask("touch", 200, true)
	sh(s, "touch live/lib/My.pm")
	ask("touch of the module", 200, true)
	sh(s, "chmod -x live/app.pl")
	ask("chmod -x", 403, false)
	sh(s, "chmod +x live/app.pl")
	ask("chmod +x", 200, true)
	sh(s, `touch live/log; date >>live/log; mv live/log live/log.1; mkdir live/data`)
	ask("what happens beside it", 200, false)
	if os.Geteuid() == 0 {
		sh(s, "chown 1234 live/app.pl")
		ask("chown", 200, true)
	}
}

// A module is found in the last of three folders; the first does not exist yet.
var shadowed = map[string]map[string]string{
	"pl": {
		"app.pl": "#!/usr/bin/perl\nuse FindBin; use lib map { qq{$FindBin::Bin/$_} } qw(first/deep second third);\n" +
			"use My::Own; print qq{Content-Type: text/plain\n\n}, My::Own::n();\n",
		"-third/My/Own.pm": "package My::Own; sub n { '@' } 1\n",
	},
	"py": {
		"app.py":           "#!/usr/bin/python3\nimport my_own\nprint('Content-Type: text/plain\\n')\nprint(my_own.n, end='')\n",
		"-third/my_own.py": "n = '@'\n",
	},
	"rb": {
		"app.rb":           "#!/usr/bin/ruby\nrequire 'my/own'\nprint \"Content-Type: text/plain\\n\\n\", N\n",
		"-third/my/own.rb": "N = '@'\n",
	},
}

func TestModuleThatShadowsAnotherIsLiveAtTheNextHit(t *testing.T) {
	for language, files := range shadowed {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			s := site.Prepare(t, "prefork_cgi {\n env PYTHONPATH @SITE@/first/deep:@SITE@/second:@SITE@/third\n env RUBYLIB @SITE@/first/deep:@SITE@/second:@SITE@/third\n}", nil)
			module := ""
			for name, text := range files {
				s.Write(name, strings.Replace(text, "@", "third", 1))
				if name[0] == '-' {
					module = strings.TrimPrefix(name, "-third/")
				}
			}
			s.Write("-second/other", "")
			s.Start()
			want := func(body string) {
				t.Helper()
				s.Want(s.Get("/app."+language), 200, body)
			}
			want("third")
			sh(s, "touch third/other second/more other; mkdir -p second/empty") // which concerns nobody
			want("third")
			setups := len(s.Entries("script is ready"))
			if setups != 1 {
				t.Errorf("%d setups", setups)
			}
			text := func(where string) string { return strings.Replace(files["-third/"+module], "@", where, 1) }
			s.Write("-second/"+module, text("second"))
			want("second")
			s.Write("-new/deep/"+module, text("first"))
			sh(s, "mv new first")
			want("first")
			sh(s, "rm -r first/deep")
			want("second")
			sh(s, "rm second/"+module)
			want("third")
			if language == "py" {
				s.Write("-third/my_own/__init__.py", text("package"))
				want("package")
			}
			if pool := status(t, s, "app."+language); pool.Mode != "automatic" {
				t.Errorf("mode is %s: %s", pool.Mode, pool.Why)
			}
		})
	}
}
