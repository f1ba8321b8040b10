package conformance

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

func TestDefectNormalExitIsDeathBySIGINT(t *testing.T) {
	d := newDefect(t, "", "", "print 'x'; exit 0;")
	const calls = 100
	theirs, ours := map[string]int{}, map[string]int{}
	for range calls {
		theirs[d.theirs().finish().status]++
		_, r := d.ours(pool.Limits{})
		ours[r.finish().status]++
	}
	t.Logf("statuses of %d calls: of the reference %v, ours %v", calls, theirs, ours)
	if theirs[unreliable] == 0 {
		t.Errorf("the reference has reported %v", theirs)
	}
	if ours["0"] != calls {
		t.Errorf("we have reported %v", ours)
	}
}

func TestDefectSameRandomNumbers(t *testing.T) {
	d := newDefect(t, "rand;", "", "print rand;")
	if a, b := d.theirs().finish().stdout, d.theirs().finish().stdout; a != b || a == "" {
		t.Errorf("the reference's differ: %s, %s", a, b)
	}
	if a, b := d.output(pool.Limits{}), d.output(pool.Limits{}); a == b || a == "" {
		t.Errorf("ours are the same: %s, %s", a, b)
	}
}

// The reference keeps about 100 servers; those that were used last.
func TestDefectServersEvictEachOther(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts several hundred servers")
	}
	d := newDefect(t, "our $server = $$;", "", "our $server; print $server;")
	const servers = 110
	evicted := 0
	var theirs, ours []string
	for i := range servers {
		theirs = append(theirs, d.theirs("-G", fmt.Sprint(i)).finish().stdout)
		ours = append(ours, d.output(pool.Limits{ParkedMax: -1}, fmt.Sprint(i)))
	}
	for i := range servers {
		if got := d.output(pool.Limits{ParkedMax: -1}, fmt.Sprint(i)); got != ours[i] {
			t.Errorf("our server %d was %s and is %s", i, ours[i], got)
		}
	}
	for i := range servers - 100 {
		if got := d.theirs("-G", fmt.Sprint(i)).finish().stdout; got != theirs[i] {
			evicted++
		}
	}
	t.Logf("of %d servers the reference has ended %d of the first %d", servers, evicted, servers-100)
	if evicted == 0 {
		t.Error("the reference has kept all of its servers")
	}
}

func TestDefectBlockedAtTheCap(t *testing.T) {
	d := newDefect(t, "", "max_servers => 1", "print 'begun'; sleep 1000;")
	first := d.theirs()
	first.out.await("begun")
	if second := d.theirs(); !goesOn(second) {
		t.Error("the reference has answered a second call")
	}
	server := d.serverOf(t)
	kill := exec.Command(client, "--kill", "-U", "/usr/bin/perl", d.script)
	kill.Env, kill.Dir = d.env, d.folder
	if out, err := kill.CombinedOutput(); err != nil {
		t.Errorf("--kill: %v: %s", err, out)
	}
	time.Sleep(aWhile)
	if !alive(server) {
		t.Error("the reference's server has listened")
	}

	limits := pool.Limits{MaxConcurrent: 1, QueueWait: 100 * time.Millisecond, Grace: 100 * time.Millisecond}
	lease, r := d.ours(limits)
	r.out.await("begun")
	if _, err := d.lease(limits); !errors.Is(err, pool.ErrQueueTimeout) {
		t.Errorf("our second request is told %v", err)
	}
	ours := lease.Info().PID
	d.registry.Leave(d.generation)
	r.interrupt()
	r.finish()
	awaitGone(t, ours)
}

func TestDefectOlderSourceIsNotSeen(t *testing.T) {
	d := newDefect(t, "our $text = 'old';", "", "our $text; print $text;")
	if got := d.theirs().finish().stdout + d.output(pool.Limits{}); got != "oldold" {
		t.Fatalf("before the change: %q", got)
	}
	d.write("our $text = 'new';", "", "our $text; print $text;") // as from a backup, or by rsync -a
	if got := d.theirs().finish().stdout; got != "old" {
		t.Errorf("the reference has seen it: %q", got)
	}
	if got := d.output(pool.Limits{}); got != "new" {
		t.Errorf("we have not: %q", got)
	}
}

func TestDefectOnlySIGINTIsSent(t *testing.T) {
	d := newDefect(t, "", "", "$SIG{INT} = 'IGNORE'; print \"$$ \"; sleep 1000 while 1;")
	pidOf := func(r *running) int {
		pid, err := strconv.Atoi(strings.TrimSpace(r.out.await(" ")))
		check(t, err)
		return pid
	}
	theirs := d.theirs()
	pid := pidOf(theirs)
	theirs.interrupt()
	theirs.wait()
	time.Sleep(aWhile)
	if !alive(pid) {
		t.Error("the reference's executor has ended")
	}
	_, ours := d.ours(pool.Limits{Grace: 100 * time.Millisecond})
	pid = pidOf(ours)
	ours.interrupt()
	ours.wait()
	if alive(pid) {
		t.Error("our executor is told to have ended, and has not")
	}
}

// Of a run, too; ours is the request's, and TestTimeLimits of tests/e2e has it.
func TestDefectSetupHasNoLimit(t *testing.T) {
	d := newDefect(t, "sleep 1000 while 1;", "", "")
	if !goesOn(d.theirs()) {
		t.Error("the reference has ended a setup")
	}
	_, err := d.lease(pool.Limits{StartTimeout: 100 * time.Millisecond})
	if failed, ok := errors.AsType[*prefork.SetupError](err); !ok || !failed.TimedOut {
		t.Errorf("we have not: %v", err)
	}
}

func TestDefectQueueHasNoLimit(t *testing.T) {
	d := newDefect(t, "", "max_servers => 1", "print 'begun'; sleep 1000;")
	first := d.theirs()
	first.out.await("begun")
	var waiting []*running
	for range 10 {
		waiting = append(waiting, d.theirs())
	}
	for _, r := range waiting {
		if !alive(r.pid()) {
			t.Error("the reference has refused a call")
		}
	}
	if !goesOn(waiting[0]) {
		t.Error("the reference has limited a wait")
	}
	limits := pool.Limits{MaxConcurrent: 1, QueueSize: -1, Grace: 100 * time.Millisecond}
	_, r := d.ours(limits)
	r.out.await("begun")
	if _, err := d.lease(limits); !errors.Is(err, pool.ErrQueueFull) {
		t.Errorf("our second request is told %v", err)
	}
	r.interrupt()
	r.finish()
}
