package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A bench is the servers, the variants that they serve, and where they listen.
type bench struct {
	keeper   *keeper
	caddy    string // the program
	work     string
	variants []variant
	addr     map[front]string
	caddyPID int
}

// start plants the scripts and starts all servers. What cannot be started is left
// out, and skip says why.
func (b *bench) start(skip func(v variant, why error)) error {
	b.keep(func(v variant) error { return b.askCaddy(v.needs...) }, skip)
	b.fulfil()
	b.keep(func(v variant) error { return v.page.plant(v.folder(), v.form, v.interpreter) }, skip)
	if err := os.WriteFile(filepath.Join(b.work, "fpm.conf"), []byte(b.fpm()), 0o644); err != nil {
		return err
	}
	b.keep(func(v variant) error { return b.startBackend(v) }, skip)
	b.addr = map[front]string{}
	for _, f := range []struct {
		front  front
		config func(addr string) string
		args   []string
	}{
		{caddy, b.caddyfile, []string{b.caddy, "run", "--adapter", "caddyfile", "--config", "@CONFIG@"}},
		{apache, b.httpd, []string{"apache2", "-D", "FOREGROUND", "-f", "@CONFIG@"}},
		{modPerl, b.httpdModPerl, []string{"apache2", "-D", "FOREGROUND", "-f", "@CONFIG@"}},
	} {
		needed := slices.ContainsFunc(b.variants, func(v variant) bool { return v.front == f.front })
		if !needed && f.front != caddy { // whose CPU time is always read
			continue
		}
		if err := b.startFront(f.front, f.config, f.args); err != nil {
			b.keep(func(v variant) error {
				if v.front != f.front {
					return nil
				}
				return err
			}, skip)
		}
	}
	return nil
}

// keep leaves out the variants for which check fails.
func (b *bench) keep(check func(variant) error, skip func(variant, error)) {
	var kept []variant
	for _, v := range b.variants {
		if err := check(v); err != nil {
			skip(v, err)
			continue
		}
		kept = append(kept, v)
	}
	b.variants = kept
}

// startBackend starts what serves the variant behind Caddy.
func (b *bench) startBackend(v variant) error {
	if len(v.backend) == 0 {
		return nil
	}
	args := make([]string, len(v.backend))
	for i, arg := range v.backend {
		args[i] = v.fill(arg)
	}
	_, err := b.keeper.start(args...)
	return err
}

// startFront starts a server that listens on an address of its own.
func (b *bench) startFront(f front, config func(addr string) string, args []string) error {
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	b.addr[f] = addr
	path := filepath.Join(b.work, string(f)+".conf")
	if err = os.WriteFile(path, []byte(config(addr)), 0o644); err != nil {
		return err
	}
	args[len(args)-1] = path
	pid, err := b.keeper.start(args...)
	if f == caddy {
		b.caddyPID = pid
	}
	return err
}

// freeAddr returns a loopback address where nobody listens.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// caddyfile is the configuration of Caddy for all variants that it is in front of.
func (b *bench) caddyfile(addr string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "{\n\tadmin off\n\tpersist_config off\n\torder cgi last\n}\nhttp://%s {\n\tbind 127.0.0.1\n", addr)
	for _, v := range b.variants {
		if v.front == caddy {
			text.WriteString(v.fill(v.site) + "\n")
		}
	}
	return text.String() + "}\n"
}

// fulfil leaves to each variant those of its wishes that Caddy knows.
func (b *bench) fulfil() {
	refused := map[string]error{}
	for i := range b.variants {
		v := &b.variants[i]
		v.wishes = slices.DeleteFunc(slices.Clone(v.wishes), func(line string) bool {
			if _, asked := refused[line]; !asked {
				if refused[line] = b.askCaddy(line); refused[line] != nil {
					fmt.Fprintf(os.Stderr, "everywhere without %q: %v\n", line, refused[line])
				}
			}
			return refused[line] != nil
		})
	}
}

// askCaddy asks whether Caddy knows options of prefork_cgi.
func (b *bench) askCaddy(lines ...string) error {
	if len(lines) == 0 {
		return nil
	}
	cmd := exec.Command(b.caddy, "adapt", "--adapter", "caddyfile", "--config", "-")
	cmd.Stdin = strings.NewReader("localhost\nprefork_cgi {\n" + options(lines) + "}\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		var entry struct{ Msg string }
		if json.Unmarshal(out, &entry) != nil {
			entry.Msg = string(out)
		}
		why, _, _ := strings.Cut(entry.Msg, ";")
		return fmt.Errorf("refused by Caddy: %s", why)
	}
	return nil
}
