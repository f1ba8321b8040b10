package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A first is what the first request for a script costs, whose pool is cold, beside
// running the script from the shell.
type first struct {
	Variant string  `json:"variant"`
	First   float64 `json:"first_ms"`
	ByHand  float64 `json:"by_hand_ms"`
}

// firsts measures each of our variants whose script can also be run by hand, n times
// in turn with that. A new copy of the script is a new pool.
func (b *bench) firsts(ctx context.Context, n int) ([]first, error) {
	var all []first
	if n == 0 {
		return nil, nil
	}
	for _, v := range b.variants {
		if !v.ours || v.way.name != "unchanged" {
			continue
		}
		var served, run []float64
		for i := range n {
			s, r, err := b.once(ctx, v, fmt.Sprintf("first-%d%s", i, filepath.Ext(v.file())))
			if err != nil {
				return nil, fmt.Errorf("first request of %s: %w", v.name(), err)
			}
			served, run = append(served, milliseconds(s)), append(run, milliseconds(r))
		}
		all = append(all, first{v.name(), median(served), median(run)})
	}
	return all, nil
}

// once has a new copy of the script served, and runs it by hand.
func (b *bench) once(ctx context.Context, v variant, name string) (served, run time.Duration, err error) {
	text, err := os.ReadFile(v.file())
	if err != nil {
		return 0, 0, err
	}
	file := filepath.Join(v.folder(), name)
	if err = os.WriteFile(file, text, 0o755); err != nil {
		return 0, 0, err
	}
	defer os.Remove(file) // and with it, its pool
	if run, err = byHand(ctx, v, file, b.keeper.env); err != nil {
		return 0, 0, err
	}
	var body string
	body, served, err = fetch(ctx, v.url(b.addr[v.front], name))
	time.Sleep(settling)
	if err == nil && !strings.Contains(body, v.page.want) {
		err = fmt.Errorf("answer is %q", body)
	}
	return served, run, err
}

// byHand runs a script as a shell does, with the variables that a CGI server sets,
// and env.
func byHand(ctx context.Context, v variant, file string, env []string) (time.Duration, error) {
	asked, err := url.Parse(v.page.suffix)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, file)
	cmd.Dir = filepath.Dir(file)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=GET", "SERVER_PROTOCOL=HTTP/1.1",
		"SERVER_NAME=127.0.0.1", "SERVER_PORT=80", "SCRIPT_NAME=/" + filepath.Base(file),
		"PATH_INFO=" + asked.Path, "QUERY_STRING=" + asked.RawQuery,
	}, env...)
	began := time.Now()
	out, err := cmd.Output()
	took := time.Since(began)
	if err == nil && !bytes.Contains(out, []byte(v.page.want)) {
		err = fmt.Errorf("%s, run by hand, says %q", file, out)
	}
	return took, err
}
