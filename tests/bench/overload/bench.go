package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The limits of the configuration: those that are so by default.
const (
	maxConcurrent = 4
	queueSize     = 64
	queueWait     = 10 * time.Second
)

// quietScripts is how many scripts nobody floods.
const quietScripts = 9

// A bench is a Caddy and what it serves.
type bench struct {
	folder  string
	addr    string
	caddy   *exec.Cmd
	program string // this one

	used, own time.Duration // CPU time of Caddy and of the generator for the last load
}

// start starts Caddy with scripts that take cost.
func start(s settings) (b *bench, err error) {
	b = &bench{}
	if b.program, err = os.Executable(); err != nil {
		return nil, err
	}
	program, err := filepath.Abs(s.caddy)
	if err != nil {
		return nil, err
	}
	if b.folder, err = os.MkdirTemp("", "overload"); err != nil {
		return nil, err
	}
	if err = b.prepare(s.cost); err == nil {
		b.caddy = exec.Command(program, "run", "--config", filepath.Join(b.folder, "Caddyfile"), "--adapter", "caddyfile")
		b.caddy.Env = append(os.Environ(), "XDG_DATA_HOME="+b.folder, "XDG_CONFIG_HOME="+b.folder)
		b.caddy.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		err = b.caddy.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.folder))
	}
	if err = b.warmUp(); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	return b, nil
}

// prepare writes scripts and configuration. A script counts as far as one takes cost.
func (b *bench) prepare(cost time.Duration) error {
	count := func(n int) string {
		return fmt.Sprintf("#!/usr/bin/perl\nuse strict;\nmy $sum = 0; $sum += $_ for 1 .. %d;\nprint \"Content-Type: text/plain\\n\\n$sum\\n\";\n", n)
	}
	n, probe := 5_000_000, filepath.Join(b.folder, "probe.pl")
	var took []time.Duration
	for _, times := range []int{0, n} {
		if err := os.WriteFile(probe, []byte(count(times)), 0o755); err != nil {
			return err
		}
		cmd := exec.Command(probe)
		if err := cmd.Run(); err != nil {
			return err
		}
		took = append(took, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	}
	n = int(float64(n) * float64(cost) / float64(took[1]-took[0]))
	for _, path := range append(quietPaths(), "/work.pl") {
		if err := os.WriteFile(filepath.Join(b.folder, path), []byte(count(n)), 0o755); err != nil {
			return err
		}
	}
	waits := fmt.Sprintf("#!/usr/bin/perl\nselect undef, undef, undef, %f;\nprint \"Content-Type: text/plain\\n\\nok\\n\";\n", cost.Seconds())
	if err := os.WriteFile(filepath.Join(b.folder, "wait.pl"), []byte(waits), 0o755); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	text := fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		level ERROR
	}
}
http://%s {
	root * %s
	prefork_cgi {
		max_concurrent %d
		queue %d %v
	}
}
`, b.addr, b.folder, maxConcurrent, queueSize, queueWait)
	return os.WriteFile(filepath.Join(b.folder, "Caddyfile"), []byte(text), 0o644)
}

func quietPaths() (paths []string) {
	for i := range quietScripts {
		paths = append(paths, fmt.Sprintf("/quiet%d.pl", i+1))
	}
	return paths
}

// warmUp asks for each script once, as soon as Caddy answers.
func (b *bench) warmUp() error {
	for _, path := range append(quietPaths(), "/work.pl", "/wait.pl") {
		var err error
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			var resp *http.Response
			if resp, err = http.Get("http://" + b.addr + path); err != nil {
				continue
			}
			if err = resp.Body.Close(); resp.StatusCode == http.StatusOK {
				break
			}
			err = fmt.Errorf("%s: %s", path, resp.Status)
		}
		if err != nil {
			return err
		}
	}
	http.DefaultClient.CloseIdleConnections()
	return nil
}

// stop ends Caddy and removes what it has served.
func (b *bench) stop() error {
	_ = b.caddy.Process.Signal(syscall.SIGTERM)
	return errors.Join(b.caddy.Wait(), os.RemoveAll(b.folder))
}

// load has processes make the parts of a load, one each: a client of one part must not wait for those of
// another. It returns what each has seen.
func (b *bench) load(ctx context.Context, parts ...part) ([]seen, error) {
	before := processCPU(b.caddy.Process.Pid)
	results, own, errs := make([]seen, len(parts)), make([]time.Duration, len(parts)), make([]error, len(parts))
	var all sync.WaitGroup
	for i, p := range parts {
		p.Addr = b.addr
		all.Go(func() { results[i], own[i], errs[i] = b.generate(ctx, p) })
	}
	all.Wait()
	b.used, b.own = processCPU(b.caddy.Process.Pid)-before, 0
	for _, d := range own {
		b.own += d
	}
	return results, errors.Join(errs...)
}

// generate has a process make a part of a load, and returns what it has seen and its CPU time.
func (b *bench) generate(ctx context.Context, p part) (result seen, own time.Duration, err error) {
	text, err := json.Marshal(p)
	if err != nil {
		return result, 0, err
	}
	cmd := exec.CommandContext(ctx, b.program, "-generate", string(text))
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return result, 0, err
	}
	return result, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), json.Unmarshal(out.Bytes(), &result)
}

// share returns how many of a hundred parts of the machine's CPU time d is.
func (b *bench) share(d, of time.Duration) float64 {
	return 100 * d.Seconds() / of.Seconds() / float64(runtime.NumCPU())
}

// processCPU returns the CPU time of a process without its children: fields 14 and 15
// of its stat, in hundredths of a second. It is 0 if there is none.
func processCPU(pid int) time.Duration {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11]) // the kernel's
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
