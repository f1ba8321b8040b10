// Command peers measures this module beside other servers of old web programs, in
// one run, on loopback: see docs/performance.md for what the figures mean.
//
//	wrk ──▶ Caddy ─┬▶ prefork_cgi      ─▶ scripts, in each way that it has
//	               ├▶ caddy-cgi        ─▶ scripts, cold; prefork-interp (C)
//	               └▶ sockets          ─▶ FCGI.pm, uWSGI, php-fpm
//	wrk ──▶ Apache ─▶ mod_cgid, mod_fcgid
//	wrk ──▶ Apache ─▶ mod_perl
//
// A page is a script; a way is how a server serves pages; a variant is one page in
// one way. The scripts of all variants of a page are made from one text. Every
// variant must first answer right; what cannot be started here, or does not, is
// left out and named. Nothing passes or fails by time.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// packages are the Debian packages whose versions stand above the tables.
var packages = []string{
	"perl", "python3", "php-fpm", "chiark-utils-bin", "libcgi-pm-perl", "libhtml-mason-perl", "libfcgi-perl", "apache2",
	"libapache2-mod-fcgid", "libapache2-mod-perl2", "uwsgi-core", "gitweb", "wrk",
}

// quiet is how many CPUs may work before the benchmark begins without a warning.
const quiet = 0.1

// Settings are the command line.
type settings struct {
	caddy   string
	rounds  int
	seconds int
	firsts  int
	only    *regexp.Regexp
	json    string
}

func main() {
	s := settings{only: regexp.MustCompile("")}
	flag.StringVar(&s.caddy, "caddy", ".run/bench-caddy", "Caddy with this module and caddy-cgi")
	flag.IntVar(&s.rounds, "rounds", 5, "how often each variant is measured")
	flag.IntVar(&s.seconds, "seconds", 3, "how long each time, for each number of clients")
	flag.IntVar(&s.firsts, "first", 15, "how many first requests of cold pools are measured")
	flag.Func("only", "measure variants whose name, such as hello/cold, or title matches a `regexp`", func(text string) (err error) {
		s.only, err = regexp.Compile(text)
		return err
	})
	flag.StringVar(&s.json, "json", "", "write the figures to this `file`, too")
	flag.Parse()

	// Also when nobody reads the tables any more: servers would be left.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	err := run(ctx, s)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// run is the whole benchmark. When it returns nothing of it is left.
func run(ctx context.Context, s settings) (err error) {
	program, err := filepath.Abs(s.caddy)
	if err != nil {
		return err
	}
	for _, needed := range []string{program, "wrk", "git"} {
		if _, err = exec.LookPath(needed); err != nil {
			return err
		}
	}
	cpus, err := busy(time.Second)
	if err != nil {
		return err
	}
	if cpus > quiet {
		fmt.Fprintf(os.Stderr, "the machine has other work, for %.1f CPUs: CPU time and forks will be of that, too\n", cpus)
	}
	work, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	// Apache is another user, who reads what is here.
	if err = errors.Join(os.Chmod(work, 0o755), makeWritable(filepath.Join(work, "data")), makeRepository(work)); err != nil {
		return err
	}
	k, err := newKeeper(filepath.Join(filepath.Dir(program), "peers.log"),
		"GITWEB_CONFIG="+filepath.Join(work, gitwebConfig), "XDG_RUNTIME_DIR="+work) // the latter is prefork-interp's
	if err != nil {
		return err
	}
	defer k.stop()

	b := &bench{keeper: k, caddy: program, work: work, variants: variants(work, s.only)}
	skip := func(v variant, why error) {
		fmt.Fprintf(os.Stderr, "left out: %s, %s: %v\n", v.name(), v.title, why)
	}
	if err = b.start(skip); err != nil {
		return err
	}
	b.keep(func(v variant) error { return b.check(ctx, v) }, skip)
	b.warmUp(ctx)
	return b.measureAll(ctx, s)
}

// measureAll measures, and writes what comes of it.
func (b *bench) measureAll(ctx context.Context, s settings) error {
	r, err := b.rounds(ctx, s.rounds, time.Duration(s.seconds)*time.Second)
	if err != nil {
		return err
	}
	firsts, err := b.firsts(ctx, s.firsts)
	if err != nil {
		return err
	}
	if s.json != "" {
		text, err := json.MarshalIndent(map[string]any{"figures": r, "first": firsts}, "", "\t")
		if err != nil {
			return err
		}
		if err = os.WriteFile(s.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%s; %d × %d s, medians.\n\n", b.versions(), s.rounds, s.seconds)
	b.report(os.Stdout, r, firsts)
	return nil
}

// versions says what is measured, and where.
func (b *bench) versions() string {
	caddy, _ := exec.Command(b.caddy, "version").Output()
	number, _, _ := strings.Cut(string(caddy), " ")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	args := append([]string{"-W", "-f", "; ${Package} ${Version}"}, packages...)
	installed, _ := exec.Command("dpkg-query", args...).Output() // what is not is left out
	return fmt.Sprintf("%d CPUs, Linux %s; Caddy %s%s", runtime.NumCPU(), strings.TrimSpace(string(kernel)), number, installed)
}
